// prometheusrule.yaml, made by `make alerts`: the rules for the Prometheus Operator.
local mixin = import 'mixin.libsonnet';

'# Made of mixin.libsonnet by `make alerts`: change that, not this. docs/alerts.md explains it.\n' +
std.manifestYamlDoc(
  {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: {
      name: 'otelcol-xfrm',
      namespace: 'xfrm',
      labels: { 'app.kubernetes.io/name': 'otelcol-xfrm' },
    },
    spec: mixin.prometheusAlerts,
  }, quote_keys=false
) + '\n'
