// Three labels for dashboards: `node` is the host's name or else its address;
// `network_namespace_kind` says what names the namespace, and `network_namespace` is that
// name. Kind and name are apart because a name can be any text, even "host".
local labels = import 'labels.libsonnet';

// Later replacements win, so the kinds come in reverse order.
local replace(expr, replacements) = std.foldl(
  function(expr, r) 'label_replace(%s, "%s", "%s", "%s", "(.+)")' % ([expr] + r),
  replacements,
  'label_replace(%s, "network_namespace_kind", "host", "", "")' % expr
);
local kinds = std.flatMap(
  function(k) [['network_namespace_kind', k.kind, k.label], ['network_namespace', '$1', k.label]],
  std.reverse(labels.kinds)
);

function(config, host) [
  // The increase with these labels instead of the others. Its address, which is there only
  // if there is no usable name, comes after the name.
  {
    record: 'network_namespace:xfrm_packet_dropped:increase',
    expr: 'sum without (%s) (\n  %s\n)\n' % [
      std.join(', ', ['host_name'] + labels.address + labels.namespace),
      replace(host.increase, [['node', '$1', 'host_name'], ['node', '$1', 'instance']] + kinds),
    ],
  },
  // The labels beside the others, of each namespace whose tunnels are read: to join with.
  {
    record: 'network_namespace:xfrm_sa_count:info',
    expr: |||
      group by (%s) (
        %s
        or
        %s
      )
    ||| % [
      std.join(', ', config.hostLabels + labels.namespace + ['node', 'network_namespace_kind', 'network_namespace']),
      replace('xfrm_sa_count{host_name!~"|localhost"}', [['node', '$1', 'host_name']] + kinds),
      replace('xfrm_sa_count{host_name=~"|localhost"}', [['node', '$1', 'instance']] + kinds),
    ],
  },
]
