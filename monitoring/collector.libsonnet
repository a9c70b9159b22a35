// What says that the figures are missing, so that silence is no good news by mistake.
function(config) [
  {
    alert: 'XfrmCollectorDown',
    expr: 'up{%s} == 0' % config.upSelector,
    'for': '5m',
    labels: { severity: 'warning' },
    annotations: {
      summary: 'The collector on {{ $labels.instance }} cannot be scraped',
      description: 'Its kernel counts on: what was dropped meanwhile is seen when it is back within an hour.',
      likely_cause: 'The collector does not run, or Prometheus cannot reach it.',
      first_command: 'systemctl status otelcol-xfrm; journalctl -u otelcol-xfrm -n 20',
    },
  },
  {
    // Without omit_zero a host always has zero-valued series; with it the absence of
    // series is good news.
    alert: 'XfrmSeriesGone',
    expr: |||
      count by (job, instance, host_name) (last_over_time(xfrm_packet_dropped_total[1h] offset 5m) == 0)
      unless on (job, instance, host_name)
      count by (job, instance, host_name) (xfrm_packet_dropped_total)
      unless on (job, instance)
      up == 0
    |||,
    'for': '5m',
    labels: { severity: 'warning' },
    annotations: {
      summary: 'No counters come from {{ or $labels.host_name $labels.instance }} any more',
      description: 'There were {{ $value }} series within the last hour, and there are none now.',
      likely_cause: 'The collector stopped, cannot send, or runs on a kernel without xfrm_stat since a reboot.',
      first_command: 'journalctl -u otelcol-xfrm -n 20; cat /proc/net/xfrm_stat',
    },
  },
]
