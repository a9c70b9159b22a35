// What Prometheus knows of each host, whatever pod, address or job its series come from.
//
// host_name names the host. If it is missing, or `localhost`, which is what the shipped
// configurations say without HOST_NAME, the address of the target has to do.
local labels = import 'labels.libsonnet';
local list = function(names) std.join(', ', names);

function(config) {
  local host = self,

  // How to join two series of the same host, or of the same target.
  on:: 'on (%s)' % list(config.hostLabels),
  onTarget:: 'on (%s)' % list(config.targetLabels),

  // The highest value of each host; expr makes an expression of a selector of hosts.
  perHost(expr)::
    |||
      max without (%s) (%s)
      or
      max without (%s) (%s)
    ||| % [
      list(labels.address + labels.scrape),
      expr('{host_name!~"|localhost"}'),
      list(labels.scrape),
      expr('{host_name=~"|localhost"}'),
    ],

  // The value of each host now, or else its last within the window. A live series comes
  // first: after a reboot the series of the old pod must not hide that of the new one.
  last(metric)::
    host.perHost(function(selector) metric + selector) + 'or\n' +
    host.perHost(function(selector) 'last_over_time(%s%s[%s])' % [metric, selector, config.window]),

  heartbeat:: 'host:xfrm_netns_count:last',
  dropped:: 'host:xfrm_packet_dropped:last',
  increase:: 'host:xfrm_packet_dropped:increase',

  rules:: [
    { record: host.heartbeat, expr: host.last('xfrm_netns_count') },
    { record: host.dropped, expr: host.last('xfrm_packet_dropped_total') },

    // Packets dropped within the window, series by series. increase() would miss all drops
    // before a series' first point, which with omit_zero can be all there are, and it
    // extrapolates. This counts exactly. In the order of the branches:
    //
    // 1. a series that existed before counts what it has grown;
    // 2. a series whose labels are new, of a namespace and reason that the host had before,
    //    counts what it has grown over the host's last value;
    // 3. any other new series, and one that fell because the host has rebooted, counts
    //    whole, if the host had a heartbeat before.
    //
    // So the history of a collector that was just installed counts nothing. A gap shorter
    // than the memory loses no drops, and a namespace that is gone again still counts.
    {
      record: host.increase,
      expr: |||
        (
          (%(now)s - (%(before)s <= %(now)s))
        or
          (%(now)s - on (%(series)s) group_left () max by (%(series)s) (%(before)s) >= 0)
        or
          (%(now)s and %(on)s %(heartbeat)s)
        ) > 0
      ||| % {
        now: host.dropped,
        before: 'last_over_time(%s[%s] offset %s)' % [host.dropped, config.memory, config.window],
        heartbeat: 'last_over_time(%s[%s] offset %s)' % [host.heartbeat, config.memory, config.window],
        on: host.on,
        series: list(config.hostLabels + labels.namespace + ['direction', 'reason']),
      },
    },
  ],
}
