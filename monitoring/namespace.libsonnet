// The same with two labels that dashboards can choose by, whatever tells the hosts and the
// namespaces apart: `node` is host_name or else instance, and `network_namespace` is the
// best name that there is, "host" for the main one.
local series = 'instance:xfrm_packet_dropped:increase5m';
local labels = [
  // label, what it becomes, the source: later ones win.
  ['node', '$1', 'instance'],
  ['node', '$1', 'host_name'],
  ['network_namespace', 'process $1', 'process_pid'],
  ['network_namespace', 'container $1', 'container_id'],
  ['network_namespace', 'pod $1', 'k8s_pod_uid'],
  ['network_namespace', '$1', 'netns_name'],
];
{
  record: 'network_namespace:xfrm_packet_dropped:increase5m',
  expr: 'sum without (host_name, netns_name, k8s_pod_uid, container_id, process_pid) (\n  %s\n)' % std.foldl(
    function(expr, l) 'label_replace(%s, "%s", "%s", "%s", "(.+)")' % ([expr] + l),
    labels,
    'label_replace(%s, "network_namespace", "host", "", "")' % series
  ),
}
