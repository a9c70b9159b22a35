// The rules as a monitoring mixin (https://monitoring.mixins.dev): _config can be
// overridden, alerts.yaml is what `make alerts` makes of it as it is.
{
  _config+:: {
    local config = self,

    // The longest collection_interval of your collectors. The rest of the times follow.
    collectionIntervalMinutes: 1,
    // Drops are counted within this time. It has two scrapes at least, so that a series
    // does not come and go when one is late.
    windowMinutes: std.max(5, std.ceil(2 * config.collectionIntervalMinutes)),
    // How long a host that is silent stays known.
    memoryMinutes: std.max(60, 3 * config.windowMinutes),
    window:: '%dm' % config.windowMinutes,
    memory:: '%dm' % config.memoryMinutes,
    local whole(name) =
      local value = config[name];
      if !std.isNumber(value) then error '%s must be a number of minutes, is %s' % [name, std.manifestJson(value)]
      else if value != std.floor(value) then error '%s must be a whole number, is %g' % [name, value]
      else true,
    assert config.collectionIntervalMinutes > 0 :
           'collectionIntervalMinutes must be greater than 0, is %g' % config.collectionIntervalMinutes,
    assert whole('windowMinutes') && whole('memoryMinutes'),
    assert config.windowMinutes >= 2 * config.collectionIntervalMinutes :
           'windowMinutes must be at least twice collectionIntervalMinutes, which is %g, so at least %g, and is %d' %
           [config.collectionIntervalMinutes, std.ceil(2 * config.collectionIntervalMinutes), config.windowMinutes],
    assert config.memoryMinutes >= 3 * config.windowMinutes :
           'memoryMinutes must be at least three times windowMinutes, which is %d, so at least %d, and is %d' %
           [config.windowMinutes, 3 * config.windowMinutes, config.memoryMinutes],

    // Labels of yours that distinguish hosts with the same name.
    clusterLabels: ['cluster', 'environment'],
    hostLabels:: config.clusterLabels + ['host_name', 'instance'],
    targetLabels:: config.clusterLabels + ['job', 'instance'],
    // Which targets are collectors, such as 'job="xfrm"'. Needed only where honor_labels is
    // true: `up` and the heartbeat then have no job and instance in common.
    upSelector: '',

    // More drops of one reason within the window than this are not noise.
    threshold: 10,
    // The same for reasons of which some are normal.
    noisyThreshold: 100,

    // A tunnel that had SAs for so many hours is permanent: its loss is an alert. Choose those
    // to watch by a selector, such as 'network_interface_name!=""', if clients stay as long.
    permanentHours: 24,
    permanentTunnels: '',
    // How long a lost tunnel is one: tunnels::forget_after of your collectors.
    forgetHours: 24,
    // For SAs without limits: after how many hours they must have been replaced; 0 for never.
    ageHours: 0,
    // How many SAs of a tunnel and direction are no trouble.
    associations: 10,
    // How many of the packets between two ends that are both watched may be lost.
    lossPercent: 1,

    // Where docs/reasons.md is, and docs/alerts.md.
    runbook: 'https://github.com/xfrmreceiver/xfrmreceiver/blob/main/docs/reasons.md',
    collectorRunbook: 'https://github.com/xfrmreceiver/xfrmreceiver/blob/main/docs/alerts.md',
    // The host in an alert's text. The recorded series have an address only if they have
    // no usable name.
    hostText:: '{{ or $labels.instance $labels.host_name }}',
  },

  prometheusAlerts+:: {
    local host = (import 'host.libsonnet')($._config),
    local tunnel = (import 'tunnel.libsonnet')($._config, host),
    groups+: [{
      name: 'xfrm',
      // The recording rules are in the group of the alerts, which read them: rules of a
      // group are evaluated in their order, so no rule is a step behind.
      rules: host.rules + [(import 'namespace.libsonnet').increase(host)] + std.flatMap(
        function(entry) (import 'alert.libsonnet')($._config, host, entry), import 'catalogue.libsonnet'
      ) + (import 'collector.libsonnet')($._config, host),
    }, {
      name: 'xfrm-tunnels',
      rules: tunnel.rules + (import 'tunnels.libsonnet')($._config, host, tunnel),
    }],
  },

  // dashboard.json and tunnels.json are made by `make dashboard`.
  grafanaDashboards+:: {
    local windowed(dashboard) = dashboard {
      templating+: {
        list: [
          variable + if variable.name == 'window' then { query: '%d' % $._config.windowMinutes } else {}
          for variable in super.list
        ],
      },
    },
    'xfrm.json': windowed(import 'dashboard.json'),
    'xfrm-tunnels.json': windowed(import 'tunnels.json'),
  },
}
