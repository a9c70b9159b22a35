// Packets dropped in the last 5 minutes, series by series. increase() would miss the drops
// before a series' first point, which with omit_zero are all of a short trouble, and it
// extrapolates; this counts exactly:
//
// 1. a series that existed before: what it has grown since its last value then;
// 2. a new series, or one that began again from zero, of a collector that Prometheus
//    scraped before: all that it has counted;
// 3. the same of a host whose series come another way (OTLP, remote write).
//
// So the history of a collector that was installed just now is no news. A value stands for
// 5 minutes, so a namespace that is gone again still counts, and a gap of up to an hour
// loses nothing.
local now = 'last_over_time(xfrm_packet_dropped_total[5m])';
local before = 'last_over_time(xfrm_packet_dropped_total[1h] offset 5m)';
{
  record: 'instance:xfrm_packet_dropped:increase5m',
  expr: |||
    (
      (%(now)s - (%(before)s <= %(now)s))
    or
      (%(now)s and on (job, instance) max_over_time(up[1h] offset 5m) == 1)
    or
      (%(now)s and on (job, instance, host_name) %(before)s)
    ) > 0
  ||| % { now: now, before: before },
}
