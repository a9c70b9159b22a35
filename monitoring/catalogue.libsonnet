// What an operator must do, one entry each: which reasons ask for it, the likely cause and
// the first command. Every reason of docs/reasons.md belongs to exactly one entry; the last
// takes what no other does, counters of future kernels included.
local entries = [
  {
    name: 'XfrmKeyMismatch',
    reasons: { inbound: 'state_proto_error', outbound: 'state_proto_error' },
    summary: 'IPsec packets fail decryption or integrity',
    cause: 'The two ends of an SA have different keys or algorithms, or something between them changes packets.',
    command: 'ip -s xfrm state list nokeys   # the SA whose "failed" grows (the last number of its line "replay-window")',
  },
  {
    name: 'XfrmReplayOrReordering',
    reasons: { inbound: 'state_seq_error|iptfs_error' },
    noisy: true,
    pages: false,
    summary: 'IPsec packets are replayed or reordered beyond the window',
    cause: 'A path that reorders or duplicates, a replay window too small for the rate, or a replay attack.',
    command: 'ip -s xfrm state list nokeys   # the SA whose "replay" grows, and its replay-window',
  },
  {
    name: 'XfrmPolicyMismatch',
    reasons: {
      inbound: 'tmpl_mismatch|no_pols|state_mode_error|state_mismatch|state_dir_error',
      outbound: 'state_dir_error|pol_error',
    },
    summary: 'Packets do not fit the IPsec policy or SA',
    cause: 'Traffic selectors, mode or encapsulation differ between the ends, or traffic comes in clear where a policy requires IPsec.',
    command: 'ip -s xfrm policy; ip -s xfrm state list nokeys   # compare selectors and templates with the peer',
  },
  {
    name: 'XfrmMissingSA',
    reasons: { inbound: 'no_states|acquire_error', outbound: 'no_states' },
    summary: 'Packets find no IPsec SA',
    cause: 'IKE failed or has not begun, or only one end has deleted the SA.',
    command: 'swanctl --list-sas   # libreswan: ipsec showstates; is there an SA, on both ends, with the same SPIs?',
  },
  {
    name: 'XfrmExpiryOrRekey',
    reasons: { inbound: 'state_expired|state_invalid', outbound: 'state_expired|state_invalid|state_seq_error' },
    summary: 'IPsec SAs end before they are replaced',
    cause: 'Rekeying fails or comes too late: a lifetime in bytes, packets or seconds is over, or the sequence number is used up.',
    command: 'ip -s xfrm state list nokeys   # lifetime config against lifetime current',
  },
  {
    name: 'XfrmResourceShortage',
    reasons: { inbound: 'buffer_error|error', outbound: 'no_queue_space|error' },
    summary: 'The kernel lacks resources for IPsec packets',
    cause: 'Memory pressure, a full IP-TFS queue, or more than 6 transformations of one packet.',
    command: 'dmesg --level=err,warn | tail; free -m',
  },
  {
    name: 'XfrmForwardedRefused',
    reasons: { inbound: 'pol_block|fwd_hdr_error' },
    summary: 'Inbound or forwarded packets are refused',
    cause: 'A policy with action block, for what comes in or is forwarded, or forwarded packets that cannot be decoded.',
    command: 'ip -s xfrm policy   # what installed the policy with "action block"?',
  },
  {
    name: 'XfrmOutboundBlocked',
    reasons: { outbound: 'pol_block' },
    pages: false,
    summary: 'Outbound packets are refused by policy',
    cause: 'A policy with action block. Often intended, to keep traffic from leaving in clear.',
    command: 'ip -s xfrm policy   # what installed the policy with "action block"?',
  },
  {
    name: 'XfrmPath',
    reasons: { outbound: 'bundle_gen_error|state_mode_error' },
    summary: 'IPsec packets find no path to the peer',
    cause: 'No route to the other end of the tunnel, or packets with DF set that are larger than its MTU.',
    command: 'ip route get PEER; ping -M do -s 1400 HOST-BEHIND-IT',
  },
];

local named(direction) = std.join('|', std.sort(std.flatMap(
  function(e) if std.objectHas(e.reasons, direction) then std.split(e.reasons[direction], '|') else [], entries
)));

entries + [{
  name: 'XfrmUnexpected',
  selectors: ['{direction="%s", reason!~"%s"}' % [d, named(d)] for d in ['inbound', 'outbound']] +
             ['{direction!~"inbound|outbound"}'],
  summary: 'The kernel drops IPsec packets for a reason that is hardly ever seen',
  cause: 'Malformed packets, a policy that cannot be applied, or a counter that came with a newer kernel.',
  command: 'ip xfrm monitor   # and read the section of the reason',
}]
