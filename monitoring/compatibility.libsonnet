// The series names of others, recorded from ours, so that old dashboards and alerts live on.
// Only the host's own network namespace is in them: that is all they know.
local labels = import 'labels.libsonnet';
local reasons = {
  // ours: Cilium's label error; node_exporter's name is the rule below.
  inbound: {
    'error': 'other',
    buffer_error: 'no_buffer',
    hdr_error: 'header',
    no_states: 'no_state',
    state_proto_error: 'state_protocol',
    state_mode_error: 'state_mode',
    state_seq_error: 'state_sequence',
    state_expired: 'state_expired',
    state_mismatch: 'state_mismatched',
    state_invalid: 'state_invalid',
    tmpl_mismatch: 'template_mismatched',
    no_pols: 'no_policy',
    pol_block: 'policy_blocked',
    pol_error: 'policy',
    fwd_hdr_error: 'forward_header',
    acquire_error: 'acquire',
  },
  outbound: {
    'error': 'other',
    bundle_gen_error: 'bundle_generation',
    bundle_check_error: 'bundle_check',
    no_states: 'no_state',
    state_proto_error: 'state_protocol',
    state_mode_error: 'state_mode',
    state_seq_error: 'state_sequence',
    state_expired: 'state_expired',
    pol_block: 'policy_blocked',
    pol_dead: 'policy_dead',
    pol_error: 'policy',
    state_invalid: 'state_invalid',
  },
};
// node_exporter names two counters without a direction.
local prefix(direction, reason) =
  if std.member(['fwd_hdr_error', 'acquire_error'], reason) then '' else { inbound: 'in_', outbound: 'out_' }[direction];
local ours(direction, reason) =
  |||
    sum without (direction, reason) (
      xfrm_packet_dropped_total{direction="%s", reason="%s", %s}
    )
  ||| % [direction, reason, std.join(', ', ['%s=""' % label for label in labels.namespace])];
local group(name, rule) = {
  groups: [{
    name: name,
    rules: [
      { expr: ours(direction, reason) } + rule(direction, reason)
      for direction in std.objectFields(reasons)
      for reason in std.objectFields(reasons[direction])
    ],
  }],
};
{
  node_exporter: group('xfrm-as-node_exporter', function(direction, reason) {
    record: 'node_xfrm_%s%s_packets_total' % [prefix(direction, reason), reason],
  }),
  cilium: group('xfrm-as-cilium', function(direction, reason) {
    record: 'cilium_ipsec_xfrm_error',
    labels: { type: direction, 'error': reasons[direction][reason] },
  }),
}
