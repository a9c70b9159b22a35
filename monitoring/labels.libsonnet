// The labels that the rules, the compatibility rules and their tests know.
{
  // The kinds of network namespaces: the label that names one, what the recorded label
  // network_namespace_kind calls it, and what an alert's text calls it. The main namespace
  // has none of these labels; its kind is `host`. If a series has several, the first counts.
  kinds: [
    { label: 'netns_name', kind: 'named', text: 'network namespace' },
    { label: 'k8s_pod_uid', kind: 'pod', text: 'pod' },
    { label: 'container_id', kind: 'container', text: 'container' },
    { label: 'container_name', kind: 'container_name', text: 'container' },
    { label: 'systemd_unit_name', kind: 'systemd_unit', text: 'systemd unit' },
    { label: 'process_pid', kind: 'process', text: 'the network namespace of process' },
  ],
  namespace: [k.label for k in self.kinds],

  // The labels that tell the tunnels of a namespace apart; `path` are those of its ends.
  path: ['network_local_address', 'network_peer_address'],
  tunnel: self.path + [
    'network_interface_name',
    'xfrm_if_id',
    'xfrm_mark',
    'xfrm_mode',
    'xfrm_protocol',
    'xfrm_reqid',
  ],

  // Labels that say how a series reached Prometheus: by which job, from which target, from
  // which pod of the collector. A rollout changes them, so nothing is judged by them.
  // `container` and `pod` are the collector's own; the receiver's are in the list above.
  scrape: [
    'job',
    'exported_job',
    'pod',
    'exported_pod',
    'pod_name',
    'pod_ip',
    'pod_template_generation',
    'pod_template_hash',
    'kubernetes_pod_name',
    'container',
    'endpoint',
    'service',
    'controller_revision_hash',
    'otel_scope_name',
    'otel_scope_version',
    'otel_scope_schema_url',
  ],
  // The target's address, and what the target calls itself. They are on the recorded series
  // of hosts without a usable host_name only.
  address: ['instance', 'exported_instance'],
}
