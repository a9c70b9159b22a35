// An entry of the catalogue as rules: a warning if there are more drops within the window
// than are noise, and critical, to page, if that goes on. A single burst is over after the
// window and never pages.
local labels = import 'labels.libsonnet';

function(config, host, entry)
  local selector(direction, reasons) =
    '{%sreason%s"%s"}' % [
      if direction == '' then '' else 'direction="%s", ' % direction,
      if std.member(reasons, '|') then '=~' else '=',
      reasons,
    ];
  local selectors = if std.objectHas(entry, 'selectors') then entry.selectors else [
    selector(direction, entry.reasons[direction])
    for direction in std.objectFields(entry.reasons)
  ];
  local threshold = if std.get(entry, 'noisy', false) then config.noisyThreshold else config.threshold;
  local rule = {
    alert: entry.name,
    expr: std.join('\nor\n', ['%s%s > %d' % [host.increase, s, threshold] for s in selectors]),
    annotations: {
      summary: '%s on %s' % [entry.summary, config.hostText],
      description: '{{ $value | printf "%%.0f" }} packets in %d minutes, {{ $labels.direction }} {{ $labels.reason }}' % config.windowMinutes +
                   std.join('', [
                     '{{ with $labels.%s }}, %s {{ . }}{{ end }}' % [k.label, k.text]
                     for k in labels.kinds
                   ]) + '.',
      likely_cause: entry.cause,
      first_command: entry.command,
      runbook_url: config.runbook + '#{{ $labels.direction }}-{{ $labels.reason }}',
    },
  };
  [rule { 'for': '1m', labels: { severity: 'warning' } }] +
  if std.get(entry, 'pages', true)
  then [rule { 'for': '%dm' % (config.windowMinutes + 1), labels: { severity: 'critical' } }]
  else []
