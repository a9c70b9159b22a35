// What Prometheus knows of each tunnel, whatever pod, address or job its series come from:
// see host.libsonnet. docs/tunnels.md explains the metrics.
local labels = import 'labels.libsonnet';
local namespace = import 'namespace.libsonnet';
local list = function(names) std.join(', ', names);

function(config, host) {
  local tunnel = self,
  local namespaceLabels = config.hostLabels + labels.namespace,

  // The series that stands for tunnels beyond tunnels::limit has no addresses.
  single:: 'network_peer_address!=""',

  all:: 'namespace:xfrm_sa_count:last',
  associations:: 'tunnel:xfrm_tunnel_sa_count:last',
  age:: 'tunnel:xfrm_tunnel_sa_age_seconds:last',
  lifetime:: 'tunnel:xfrm_tunnel_sa_lifetime_utilization_ratio:last',
  sequence:: 'tunnel:xfrm_tunnel_sequence_utilization_ratio:last',
  since:: 'tunnel:xfrm_tunnel_sa_count:since',
  lost:: 'tunnel:xfrm_tunnel_sa_count:lost',
  packets:: 'tunnel:xfrm_tunnel_packet_count:increase',
  dropped:: 'tunnel:xfrm_tunnel_packet_dropped:increase',
  sent:: 'path:xfrm_tunnel_packet_count:sent',
  missing:: 'path:xfrm_tunnel_packet_count:missing',

  // Associations that belong to no tunnel, because they have no keys yet, by namespace. Each
  // tunnel association of IPComp has one beside it that does not belong to a tunnel either.
  larval:: |||
    (%(all)s - sum without (%(tunnel)s, direction, otel_metric_overflow, beside) (
      %(established)s
      or
      label_replace(%(established)s{xfrm_protocol="ipcomp", xfrm_mode="tunnel"}, "beside", "ipcomp", "", "")
    ))
  ||| % { all: tunnel.all, tunnel: list(labels.tunnel), established: tunnel.associations },

  // What a sum has grown within the window. The sums of tunnels begin at zero when a tunnel
  // is first seen and when the receiver starts, so what is new or has fallen counts whole,
  // if the host had a heartbeat before.
  local increase(name, metric) =
    local last = 'tunnel:%s:last' % name;
    [
      { record: last, expr: host.last(metric) },
      {
        record: 'tunnel:%s:increase' % name,
        expr: |||
          (%(now)s - (last_over_time(%(now)s[%(memory)s] offset %(window)s) <= %(now)s))
          or
          (%(now)s and %(on)s last_over_time(%(heartbeat)s[%(memory)s] offset %(window)s))
        ||| % { now: last, memory: config.memory, window: config.window, on: host.on, heartbeat: host.heartbeat },
      },
    ],

  // IPComp is left out, since small packets pass by its associations.
  local packets(direction) =
    'sum by (%s, xfrm_protocol) (%s{direction="%s", xfrm_protocol=~"esp|ah"})' %
    [list(labels.path), tunnel.packets, direction],
  // What one end calls local, the other calls peer.
  local swapped(expr) =
    local replace(expr, to, from) = 'label_replace(%s, "%s", "$1", "%s", "(.*)")' % [expr, to, from];
    'sum without (sender) (%s)' % replace(
      replace(replace(expr, 'sender', 'network_peer_address'), 'network_peer_address', 'network_local_address'),
      'network_local_address',
      'sender'
    ),

  rules::
    [
      { record: record, expr: host.last(std.split(record, ':')[1]) }
      for record in [tunnel.all, tunnel.associations, tunnel.age, tunnel.lifetime, tunnel.sequence]
    ] +
    increase('xfrm_tunnel_packet_count', 'xfrm_tunnel_packet_count_total') +
    increase('xfrm_tunnel_packet_dropped', 'xfrm_tunnel_packet_dropped_total') +
    [
      // The time since which a tunnel has had associations. A break shorter than the memory
      // does not matter.
      {
        record: tunnel.since,
        expr: |||
          (last_over_time(%(since)s[%(memory)s]) and %(up)s)
          or
          (0 * %(up)s + time())
        ||| % {
          since: tunnel.since,
          memory: config.memory,
          up: '(max without (direction) (%s{%s}) > 0)' % [tunnel.associations, tunnel.single],
        },
      },
      // The time when a permanent tunnel lost its last association. It keeps itself for as long
      // as the receiver knows such a tunnel, but survives a restart of the receiver, unless
      //
      // 1. the tunnel has associations again;
      // 2. a tunnel between other addresses has begun instead: an end has moved;
      // 3. the namespace is gone.
      {
        record: tunnel.lost,
        expr: |||
          (
            (last_over_time(%(lost)s[%(memory)s]) > time() - %(forget)d)
          or
            (
              0 * (max without (direction) (%(associations)s{%(single)s}) == 0) + time()
            and
              last_over_time(%(since)s{%(permanent)s}[%(window)s]) < time() - %(permanentSeconds)d
            )
          )
          unless %(since)s
          unless (
            last_over_time(%(lost)s[%(memory)s])
            < on (%(moved)s) group_left ()
            (max by (%(moved)s) (%(since)s) + %(windowSeconds)d)
          )
          and %(onNamespace)s %(all)s
        ||| % {
          lost: tunnel.lost,
          since: tunnel.since,
          associations: tunnel.associations,
          single: tunnel.single,
          permanent: config.permanentTunnels,
          permanentSeconds: config.permanentHours * 60 * 60,
          memory: config.memory,
          window: config.window,
          windowSeconds: config.windowMinutes * 60,
          forget: config.forgetHours * 60 * 60,
          // What stays the same when an end moves.
          moved: list(namespaceLabels + [l for l in labels.tunnel if !std.member(labels.path, l)]),
          onNamespace: 'on (%s)' % list(namespaceLabels),
          all: tunnel.all,
        },
      },
      // Of each namespace, to join with in dashboards.
      {
        record: 'network_namespace:xfrm_sa_count:info',
        expr: 'group by (%s) (\n  %s\n)\n' % [
          list(namespaceLabels + ['node', 'network_namespace_kind', 'network_namespace']),
          namespace.labelled(tunnel.all),
        ],
      },
      // Bytes in a second.
      {
        record: 'tunnel:xfrm_tunnel_io_bytes:rate',
        expr: host.perHost(function(selector) 'rate(xfrm_tunnel_io_bytes_total%s[%s])' % [selector, config.window]),
      },
      // Packets from one address to another within the window, where both ends are watched:
      // those that one end sent, and those of them that the other has not received.
      { record: tunnel.sent, expr: '%s and %s' % [packets('outbound'), swapped(packets('inbound'))] },
      { record: tunnel.missing, expr: '%s - %s' % [tunnel.sent, swapped(packets('inbound'))] },
    ],
}
