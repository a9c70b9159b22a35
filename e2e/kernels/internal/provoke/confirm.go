// SPDX-License-Identifier: Apache-2.0

package provoke

import "strings"

// Confirm is a command that docs/reasons.md tells operators to run, and what they
// see right after the scenario. Addresses in it are the lab's; the page has others.
type Confirm struct {
	Command string
	// Shows and Lacks are regular expressions; an empty one is not looked at.
	Shows, Lacks string
	// Means is the same in words.
	Means string
	// Newer is for what iproute2 6.1 does not print: it runs a newer ip.
	Newer bool
}

// Key tells the command and the program.
func (c Confirm) Key() string { return c.Program() + strings.TrimPrefix(c.Command, "ip") }

// Program is where the guest has ip. It looks at its own name.
func (c Confirm) Program() string {
	if c.Newer {
		return NewerIP
	}
	return IP
}

// IP is the program of iproute2 in the guest, NewerIP a newer one.
const (
	IP      = "/bin/ip"
	NewerIP = "/newer/ip"
)

const (
	states  = "ip -s xfrm state list nokeys"
	polsIn  = "ip -s xfrm policy list dir in"
	polsFwd = "ip -s xfrm policy list dir fwd"
	polsOut = "ip -s xfrm policy list dir out"
)

// Confirmations are those of each scenario whose cause a command of iproute2
// shows.
var Confirmations = map[string][]Confirm{
	"ESP with an unknown SPI": {{Command: states, Lacks: `0x0000abcd`, Means: "no SA with this SPI"}},
	// Larval: it has an SPI, and no keys.
	"association not negotiated yet":             {{Command: states, Shows: `proto esp spi 0x`, Lacks: `auth-trunc|enc cbc`, Means: "an SA without `auth-trunc` and `enc` lines"}},
	"tunnel association, bare datagram":          {{Command: states, Shows: `mode tunnel`, Means: "`mode tunnel`"}},
	"bare ESP where UDP encapsulation is agreed": {{Command: states, Shows: `encap type espinudp sport 4500 dport 4500`, Means: "`encap type espinudp sport 4500 dport 4500`"}},
	"ESP with another integrity key":             {{Command: states, Shows: `failed 9`, Means: "`failed 9`"}},
	"AH with another integrity key":              {{Command: states, Shows: `failed 9`, Means: "`failed 9`"}},
	"ESP replayed":                               {{Command: states, Shows: `replay 8 failed 0`, Means: "`replay 8`"}},
	"AH replayed":                                {{Command: states, Shows: `replay 8 failed 0`, Means: "`replay 8`"}},
	// The kernel removes an association whose hard limit is reached.
	"burst past the packet limit":           {{Command: states, Lacks: `spi 0x00003000`, Means: "the SA is gone"}},
	"ESP past the packet limit":             {{Command: states, Lacks: `spi 0x0000300[012]`, Means: "the SAs are gone"}},
	"AH past the packet limit":              {{Command: states, Lacks: `spi 0x0000300[012]`, Means: "the SAs are gone"}},
	"plain datagrams where ESP is demanded": {{Command: polsIn, Shows: `tmpl src 10.0.0.2 dst 10.0.0.1`, Means: "the policy with its `tmpl` line"}, {Command: states, Lacks: `proto`, Means: "no SA"}},
	"too many transformations demanded":     {{Command: polsIn, Shows: `(?s)(tmpl src .*){6}`, Means: "6 `tmpl` lines"}},
	"inbound block":                         {{Command: polsIn, Shows: `dir in action block`, Means: "`dir in action block`"}},
	"forward block":                         {{Command: polsFwd, Shows: `dir fwd action block`, Means: "`dir fwd action block`"}},
	"tunnel without policy":                 {{Command: "ip -s xfrm policy", Lacks: `dir in`, Means: "no policy with `dir in`"}, {Command: states, Shows: `\b12\(packets\)`, Means: "the SA has 12 packets"}},
	"ESP out of sequence numbers":           {{Command: states, Shows: `oseq 0xffffffff`, Lacks: `esn`, Means: "`oseq 0xffffffff`, no `esn`"}},
	"AH out of sequence numbers":            {{Command: states, Shows: `oseq 0xffffffff`, Lacks: `esn`, Means: "`oseq 0xffffffff`, no `esn`"}},
	"ESP sent past the packet limit":        {{Command: states, Lacks: `spi 0x0000600[012]`, Means: "the SAs are gone"}},
	"AH sent past the packet limit":         {{Command: states, Lacks: `spi 0x0000600[012]`, Means: "the SAs are gone"}},
	"outbound block":                        {{Command: polsOut, Shows: `dir out action block`, Means: "`dir out action block`"}},
	"no association":                        {{Command: polsOut, Shows: `tmpl src 10.0.0.1 dst 10.0.0.2`, Means: "the policy with its `tmpl` line"}, {Command: states, Lacks: `proto`, Means: "no SA"}},
	"too many transformations to do":        {{Command: polsOut, Shows: `(?s)(tmpl src .*){6}`, Means: "6 `tmpl` lines"}},
	"outbound association used to receive":  {{Command: states, Lacks: `dir `, Means: "no direction"}, {Command: states, Newer: true, Shows: `dir out`, Means: "`dir out`"}},
	"inbound association used to send":      {{Command: states, Lacks: `dir `, Means: "no direction"}, {Command: states, Newer: true, Shows: `dir in`, Means: "`dir in`"}},
	"tunnel to nowhere": {
		{Command: states, Shows: `src 10.0.0.1 dst 203.0.113.1`, Means: "the outer addresses"},
		{Command: "ip route get 203.0.113.1 from 10.0.0.1", Shows: `Network is unreachable`, Means: "`Network is unreachable`"},
	},
}
