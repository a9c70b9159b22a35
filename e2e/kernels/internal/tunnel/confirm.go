// SPDX-License-Identifier: Apache-2.0

package tunnel

const (
	states   = "ip -s xfrm state list nokeys"
	policies = "ip -s xfrm policy"
)

// Confirm is a command of the runbook, and what it prints after a mistake.
type Confirm struct {
	// There runs it at the other side.
	There   bool
	Command string
	// Shows and Lacks are regular expressions; an empty one is not looked at.
	Shows, Lacks string
	// Means is the same in words.
	Means string
}

// Where says where the command runs.
func (c Confirm) Where() string {
	if c.There {
		return "there"
	}
	return "here"
}

// Key tells the command and the place.
func (c Confirm) Key() string { return c.Where() + ": " + c.Command }

// Confirm runs commands, and returns what they print.
func (t *Tunnel) Confirm(commands []Confirm) map[string]string {
	printed := map[string]string{}
	for _, c := range commands {
		p := t.here
		if c.There {
			p = t.there
		}
		// A command that fails says so in what it prints.
		printed[c.Key()], _ = p.run(c.Command)
	}
	return printed
}

// libreswanShows are commands of libreswan, by mistake.
var libreswanShows = map[string][]Confirm{
	"none: traffic flows both ways": {
		{Command: "ipsec trafficstatus", Shows: `"net".*inBytes=330, outBytes=330`, Means: "`inBytes=330, outBytes=330`"},
		{Command: "ipsec status", Shows: `established Child SA\); REKEY in \d+s`, Means: "`REKEY in`, the time of the next rekeying"},
		{Command: states, Shows: `expire add: soft 0\(sec\), hard 0\(sec\)`, Lacks: `expire add: soft [1-9]`, Means: "no limit of time"},
		{Command: states, Shows: `flag .*esn`, Means: "`flag esn`"},
		{Command: "ipsec up net", Shows: `unknown IPsec command "up"`, Means: "that 4.10 has no such command"},
	},
	"set up twice: the associations pile up": {
		{Command: "ipsec trafficstatus", Shows: `(?s)#2: "net".*#3: "net"`, Means: "the tunnel twice"},
	},
	"the SA deleted at the receiver only": {
		{Command: "ipsec trafficstatus", Shows: `"net".*outBytes=0`, Lacks: "inBytes", Means: "the tunnel without `inBytes`"},
		{There: true, Command: "ipsec trafficstatus", Shows: `inBytes=0, outBytes=330`, Lacks: `esp\.`, Means: "`inBytes=0, outBytes=330`, and no SPI"},
		{There: true, Command: "ipsec showstates", Shows: `"net" esp\.[0-9a-f]+@10\.0\.0\.1`, Means: "the SPI that the receiver does not have"},
	},
	"another traffic selector in the receiver's policy": {
		{Command: "ipsec trafficstatus", Shows: `inBytes=330, outBytes=0`, Means: "`inBytes=330`: decryption succeeds"},
	},
	"another traffic selector in the other side's configuration, trap policy here": {
		{Command: "ipsec trafficstatus", Lacks: "net", Means: "no tunnel"},
		{Command: "ipsec status", Shows: `"net": .*; prospective erouted`, Means: "`prospective erouted`"},
		{There: true, Command: "ipsec status", Shows: `===10\.9\.0\.0/24; unrouted`, Means: "the other selector"},
	},
	"the sender's daemon killed, its policies gone: plain traffic arrives": {
		{There: true, Command: "ipsec status", Shows: `is Pluto running\?`, Means: "`is Pluto running?`"},
	},
	"the sender's daemon stopped: all goes in clear, nothing counts": {
		{Command: "ipsec trafficstatus", Lacks: "net", Means: "no tunnel"},
		{Command: "ipsec status", Shows: `"net": .*; prospective erouted`, Means: "`prospective erouted`"},
		{Command: policies + " list dir out", Shows: `dst 10\.2\.0\.0/24(?s).*tmpl src 0\.0\.0\.0 dst 0\.0\.0\.0`, Means: "a trap policy: `tmpl src 0.0.0.0 dst 0.0.0.0`"},
		{There: true, Command: "ipsec status", Shows: `Pluto is not running`, Means: "`Pluto is not running`"},
	},
}
