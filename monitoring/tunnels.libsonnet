// Alerts for tunnels, one for each action of an operator. Those for the drops of a whole
// namespace are in catalogue.libsonnet.
local labels = import 'labels.libsonnet';

function(config, host, tunnel)
  local rule(name, severity, duration, expr, annotations) = {
    alert: name,
    expr: expr,
    'for': duration,
    labels: { severity: severity },
    annotations: annotations { runbook_url: config.collectorRunbook + '#' + std.asciiLower(name) },
  };
  local windows(n) = '%dm' % (n * config.windowMinutes);

  local path = 'from {{ $labels.network_local_address }} to {{ $labels.network_peer_address }}';
  local inNamespace = std.join('', [
    '{{ with $labels.%s }}, %s {{ . }}{{ end }}' % [k.label, k.text]
    for k in labels.kinds
  ]);
  local details = ', reqid {{ $labels.xfrm_reqid }}{{ with $labels.network_interface_name }}, interface {{ . }}{{ end }}' + inNamespace;
  local state = 'ip -s xfrm state list nokeys ';
  local inbound = state + 'src {{ $labels.network_peer_address }} dst {{ $labels.network_local_address }}';
  local outbound = state + 'src {{ $labels.network_local_address }} dst {{ $labels.network_peer_address }}';

  local lost(severity, duration) = rule('XfrmTunnelLost', severity, duration, tunnel.lost, {
    summary: 'The tunnel %s on %s has no SA any more' % [path, config.hostText],
    description: 'None since {{ $value | humanizeTimestamp }}, and some for at least %d hours before%s.' % [config.permanentHours, details],
    likely_cause: 'IKE cannot reach the peer, the peer refuses, or one end was stopped.',
    first_command: 'swanctl --list-sas   # libreswan: ipsec trafficstatus; then the log of the IKE daemon, on both ends',
  });

  // In use: the peer is there. A client that sleeps rekeys nothing and misses nothing.
  local overdue(expr, description) = rule('XfrmTunnelRekeyOverdue', 'warning', '1m', |||
    %s
    and max without (direction) (%s{direction="inbound"} > 0)
    and %s
  ||| % [expr, tunnel.packets, tunnel.since], {
    summary: 'The tunnel %s on %s was not rekeyed in time' % [path, config.hostText],
    description: description + details + '.',
    likely_cause: 'Rekeying fails: the ends disagree about it, or the IKE daemon does not run any more.',
    first_command: 'swanctl --list-sas   # libreswan: ipsec status; is the next rekeying overdue?',
  });

  // A lifetime that is used up sooner than the sequence numbers ends the SA before them.
  local sequence(severity, seconds) = rule('XfrmTunnelSequenceNumbers', severity, config.window, |||
    (1 - (%(used)s > 0.5)) / (deriv(%(used)s[1h]) > 0) < %(seconds)d
    unless max without (direction) (%(lifetime)s) > %(used)s
  ||| % { used: tunnel.sequence, seconds: seconds, lifetime: tunnel.lifetime }, {
    summary: 'The tunnel %s on %s runs out of sequence numbers' % [path, config.hostText],
    description: 'At the rate of the last hour, none is left in {{ $value | humanizeDuration }}, and every packet is dropped then%s.' % details,
    likely_cause: 'Rekeying fails or is too rare for this rate, and the SA has no extended sequence numbers (ESN).',
    first_command: outbound + '   # anti-replay context: oseq, and whether there is a flag esn',
  });

  local dropped(name, reasons, threshold, annotations) = rule(
    name,
    'warning',
    '1m',
    'sum without (reason) (%s{reason=~"%s", %s}) > %d' % [tunnel.dropped, reasons, tunnel.single, threshold],
    { description: '{{ $value | printf "%%.0f" }} packets in %d minutes%s.' % [config.windowMinutes, details] } + annotations
  );

  [
    lost('warning', '%dm' % (config.windowMinutes + 1)),
    lost('critical', windows(3)),
    overdue(
      'min without (direction) (%s / (%s > 0.95) - %s)' % [tunnel.age, tunnel.lifetime, tunnel.age],
      'Its newest SA ends in {{ $value | humanizeDuration }}, if it goes on as before'
    ),
  ] + (
    if config.ageHours == 0 then [] else [
      overdue(
        'min without (direction) (%s > %d)' % [tunnel.age, config.ageHours * 60 * 60],
        'Its newest SA is {{ $value | humanizeDuration }} old'
      ),
    ]
  ) + [
    sequence('warning', 3 * 24 * 60 * 60),
    sequence('critical', 60 * 60),
    dropped('XfrmTunnelReplay', 'replay|replay_window', config.noisyThreshold, {
      summary: 'Packets from {{ $labels.network_peer_address }} are dropped on %s as replayed or too late' % config.hostText,
      likely_cause: 'A path that reorders or duplicates, a replay window too small for the rate, or a replay attack.',
      first_command: inbound + '   # replay-window; stats: replay-window is too late, replay is seen before',
    }),
    dropped('XfrmTunnelIntegrity', 'integrity_failed', config.threshold, {
      summary: 'Packets from {{ $labels.network_peer_address }} are dropped on %s as forged or damaged' % config.hostText,
      likely_cause: 'The two ends have different keys or algorithms, something between them changes packets, or somebody forges them.',
      first_command: inbound + '   # stats: failed; compare the algorithms with the peer',
    }),
    rule('XfrmTunnelPacketLoss', 'warning', windows(2), '%s > %d and %s > %g * %s' % [
      tunnel.missing,
      config.noisyThreshold,
      tunnel.missing,
      config.lossPercent / 100,
      tunnel.sent,
    ], {
      summary: 'Packets of the tunnel %s are lost on the way' % path,
      description: '{{ $value | printf "%%.0f" }} {{ $labels.xfrm_protocol }} packets in %d minutes were sent and not received, more than %g %% of all.' %
                   [config.windowMinutes, config.lossPercent],
      likely_cause: 'A congested or broken path, a firewall or NAT between the ends, an MTU too small for the outer packets, or drops at the receiver.',
      first_command: 'ping -c 100 -i 0.2 {{ $labels.network_peer_address }}   # on the sender; then the drops of the receiver, and its interface',
    }),
    rule('XfrmTunnelPileUp', 'warning', '1h', '%s{%s} > %d' % [tunnel.associations, tunnel.single, config.associations], {
      summary: 'SAs pile up in the tunnel %s on %s' % [path, config.hostText],
      description: '{{ $value | printf "%.0f" }} SAs, {{ $labels.direction }}' + details + '.',
      likely_cause: 'Both ends set up the same tunnel again and again, or the IKE daemon does not delete what it has replaced.',
      first_command: 'swanctl --list-sas   # libreswan: ipsec trafficstatus; does the IKE daemon know as many as the kernel?',
    }),
    rule('XfrmNegotiationHangs', 'warning', windows(3), tunnel.larval + '> 0.01 * %s' % tunnel.all, {
      summary: 'IPsec negotiations do not end on %s' % config.hostText,
      description: '{{ $value | printf "%.0f" }} SAs wait for keys' + inNamespace + '.',
      likely_cause: 'A peer does not answer, refuses every proposal or cannot authenticate, or no IKE daemon handles what the kernel asks for.',
      first_command: 'ip xfrm state list nokeys   # the SAs without algorithms wait; then the log of the IKE daemon',
    }),
  ]
