// An entry of the catalogue as rules: a warning for more drops within 5 minutes than are
// noise, and critical, to page, if that goes on. A single burst is over after 5 minutes and
// never pages.
function(config, entry)
  local selector(direction, reasons) =
    '{%sreason%s"%s"}' % [
      if direction == '' then '' else 'direction="%s", ' % direction,
      if std.member(reasons, '|') then '=~' else '=',
      reasons,
    ];
  local series = 'instance:xfrm_packet_dropped:increase5m';
  local selectors = if std.objectHas(entry, 'selectors') then entry.selectors else [
    selector(direction, entry.reasons[direction])
    for direction in std.objectFields(entry.reasons)
  ];
  local threshold = if std.get(entry, 'noisy', false) then config.noisyThreshold else config.threshold;
  local rule = {
    alert: entry.name,
    expr: std.join('\nor\n', ['%s%s > %d' % [series, s, threshold] for s in selectors]),
    annotations: {
      summary: '%s on {{ or $labels.host_name $labels.instance }}' % entry.summary,
      description: '{{ $value | printf "%.0f" }} packets in 5 minutes, {{ $labels.direction }} {{ $labels.reason }}' +
                   std.join('', [
                     '{{ with $labels.%s }}, %s {{ . }}{{ end }}' % label
                     for label in [
                       ['netns_name', 'network namespace'],
                       ['k8s_pod_uid', 'pod'],
                       ['container_id', 'container'],
                       ['process_pid', 'the namespace of process'],
                     ]
                   ]) + '.',
      likely_cause: entry.cause,
      first_command: entry.command,
      runbook_url: config.runbook + '#{{ $labels.direction }}-{{ $labels.reason }}',
    },
  };
  [rule { 'for': '1m', labels: { severity: 'warning' } }] +
  if std.get(entry, 'pages', true)
  then [rule { 'for': '6m', labels: { severity: 'critical' } }]
  else []
