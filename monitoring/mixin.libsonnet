// The rules as a monitoring mixin (https://monitoring.mixins.dev): _config can be
// overridden, alerts.yaml is what `make alerts` makes of it as it is.
{
  _config+:: {
    // Which collectors to watch for being down.
    upSelector: 'job=~".*xfrm.*"',
    // Drops of one reason within 5 minutes that are no noise.
    threshold: 10,
    // The same for reasons of which some are normal.
    noisyThreshold: 100,
    // Where docs/reasons.md is.
    runbook: 'https://github.com/xfrmreceiver/xfrmreceiver/blob/main/docs/reasons.md',
  },

  prometheusAlerts+:: {
    groups+: [{
      name: 'xfrm',
      // The recording rule is in the group of the alerts, which read it: rules of a group
      // are evaluated in their order, so no alert is a step behind.
      rules: [import 'increase.libsonnet', import 'namespace.libsonnet'] + std.flatMap(
        function(entry) (import 'alert.libsonnet')($._config, entry), import 'catalogue.libsonnet'
      ) + (import 'collector.libsonnet')($._config),
    }],
  },

  // Made by `make dashboard`.
  grafanaDashboards+:: { 'xfrm.json': import 'dashboard.json' },
}
