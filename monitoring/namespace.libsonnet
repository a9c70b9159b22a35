// Three labels for dashboards: `node` is the host's name or else its address;
// `network_namespace_kind` says what names the namespace, and `network_namespace` is that
// name. Kind and name are apart because a name can be any text, even "host".
local labels = import 'labels.libsonnet';

{
  // Adds them to recorded series.
  //
  // Later replacements win, so the address, which is there only if there is no usable
  // name, comes after the name, and the kinds come in reverse order.
  labelled(series)::
    local replacements =
      [['node', '$1', 'host_name'], ['node', '$1', 'instance']] +
      std.flatMap(
        function(k) [['network_namespace_kind', k.kind, k.label], ['network_namespace', '$1', k.label]],
        std.reverse(labels.kinds)
      );
    std.foldl(
      function(expr, r) 'label_replace(%s, "%s", "%s", "%s", "(.+)")' % ([expr] + r),
      replacements,
      'label_replace(%s, "network_namespace_kind", "host", "", "")' % series
    ),

  // The increase with them instead of the labels that they are made of.
  increase(host):: {
    record: 'network_namespace:xfrm_packet_dropped:increase',
    expr: 'sum without (%s) (\n  %s\n)\n' % [
      std.join(', ', ['host_name'] + labels.address + labels.namespace),
      $.labelled(host.increase),
    ],
  },
}
