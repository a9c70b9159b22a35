// alerts.yaml, made by `make alerts`.
local mixin = import 'mixin.libsonnet';

'# Made of mixin.libsonnet by `make alerts`: change that, not this. docs/alerts.md explains it.\n' +
std.manifestYamlDoc(
  mixin.prometheusAlerts, quote_keys=false
) + '\n'
