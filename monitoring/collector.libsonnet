// Alerts for missing figures, so that silence is not taken for good news. They know a
// collector by its heartbeat, xfrm_netns_count, which it sends at each scrape.
function(config, host)
  local known = 'target:xfrm_netns_count:known';
  local pushedOrUp(selector) =
    '(last_over_time(xfrm_netns_count%(selector)s[%(memory)s]) unless %(on)s (last_over_time(up[%(memory)s]) unless %(on)s up == 1))' %
    { selector: selector, memory: config.memory, on: host.onTarget };
  local rule(name, duration, expr, annotations) = {
    alert: name,
    expr: expr,
    'for': duration,
    labels: { severity: 'warning' },
    annotations: annotations { runbook_url: config.collectorRunbook + '#' + std.asciiLower(name) },
  };
  [
    // The targets that have a heartbeat, or are down and had one. The second part keeps
    // itself alive for as long as `up` is 0.
    {
      record: known,
      expr: |||
        group by (%(target)s) (xfrm_netns_count)
        or
        (last_over_time(%(known)s[%(memory)s]) and %(on)s up == 0)
      ||| % {
        target: std.join(', ', config.targetLabels),
        known: known,
        memory: config.memory,
        on: host.onTarget,
      },
    },
    rule(
      'XfrmCollectorDown',
      '5m',
      'up == 0 and %s %s' % [host.onTarget, known] +
      (if config.upSelector == '' then '' else '\nor\nup{%s} == 0' % config.upSelector),
      {
        summary: 'Prometheus cannot scrape the collector at {{ $labels.instance }}',
        description: 'The kernel goes on counting. Drops are seen when the collector is back within %d minutes.' % config.memoryMinutes,
        likely_cause: 'The collector does not run, or Prometheus cannot reach it.',
        first_command: 'pgrep -a otelcol   # on the host; if it runs, read its log, then check the path from Prometheus',
      }
    ),
    // A heartbeat that stopped. If the target has an `up`, and that is not 1, the collector
    // is down, which is the alert above, or its target was removed on purpose.
    rule(
      'XfrmHeartbeatGone',
      config.window,
      '(\n%s)\nunless %s %s' % [host.perHost(pushedOrUp), host.on, host.heartbeat],
      {
        summary: 'No figures come from %s any more' % config.hostText,
        description: 'There were some within the last %d minutes.' % config.memoryMinutes,
        likely_cause: 'The collector stopped, cannot send, or no longer has the receiver in its configuration.',
        first_command: 'pgrep -a otelcol   # on the host; if it runs, read its log',
      }
    ),
    rule(
      'XfrmNothingRead',
      config.window,
      '%s == 0' % host.heartbeat,
      {
        summary: 'The collector on %s reads no network namespace' % config.hostText,
        description: 'It runs, but its figures are missing.',
        likely_cause: "The kernel has no CONFIG_XFRM_STATISTICS, the host's /proc is not where root_path says, or every scrape times out.",
        first_command: "cat /proc/net/xfrm_stat   # on the host; if it has counters, read the collector's log",
      }
    ),
  ]
