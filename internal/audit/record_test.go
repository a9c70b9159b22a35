// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// stamp is the beginning of each record in this file.
const stamp = "audit(1795578981.763:8): "

var stampTime = time.UnixMilli(1795578981763)

func TestParse(t *testing.T) {
	v4 := Drop{
		Time:        stampTime,
		Source:      netip.MustParseAddr("10.77.0.1"),
		Destination: netip.MustParseAddr("10.77.0.2"),
	}
	withSPI := func(d Drop) Drop {
		d.SPI, d.HasSPI = 4096, true
		return d
	}
	withSequence := func(d Drop) Drop {
		d.Sequence, d.HasSequence = 7, true
		return d
	}
	withCounter := func(d Drop, direction xfrmstat.Direction, reason string) Drop {
		d.Direction, d.Reason = direction, reason
		return d
	}
	v6 := Drop{
		Time:        stampTime,
		Source:      netip.MustParseAddr("fd00:77::1"),
		Destination: netip.MustParseAddr("fd00:77::2"),
	}
	const packet4 = "src=10.77.0.1 dst=10.77.0.2"
	const packet6 = "src=fd00:0077:0000:0000:0000:0000:0000:0001 dst=fd00:0077:0000:0000:0000:0000:0000:0002 flowlbl=0xabcde"
	for _, test := range []struct {
		name, text string
		want       Drop
	}{
		{
			"replayed",
			"op=SA-replayed-pkt " + packet4 + " spi=4096(0x1000) seqno=7",
			withCounter(withSequence(withSPI(v4)), xfrmstat.Inbound, "state_seq_error"),
		},
		{
			"not found",
			"op=SA-notfound " + packet4 + " spi=4096(0x1000) seqno=7",
			withCounter(withSequence(withSPI(v4)), xfrmstat.Inbound, "no_states"),
		},
		{
			"not found, IPv6",
			"op=SA-notfound " + packet6 + " spi=4096(0x1000) seqno=7",
			withCounter(withSequence(withSPI(v6)), xfrmstat.Inbound, "no_states"),
		},
		{
			"not found, extension header without SPI",
			"op=SA-notfound " + packet6,
			withCounter(v6, xfrmstat.Inbound, "no_states"),
		},
		{
			"integrity",
			"op=SA-icv-failure " + packet4 + " spi=4096(0x1000) seqno=7",
			withCounter(withSequence(withSPI(v4)), xfrmstat.Inbound, "state_proto_error"),
		},
		{
			"integrity, header not readable",
			"op=SA-icv-failure " + packet4,
			withCounter(v4, xfrmstat.Inbound, "state_proto_error"),
		},
		{
			"overflow has no sequence number",
			"op=SA-replay-overflow " + packet4 + " spi=4096(0x1000)",
			withCounter(withSPI(v4), xfrmstat.Outbound, "state_seq_error"),
		},
		{
			"a field that this package does not know",
			"op=SA-notfound " + packet4 + " spi=4096(0x1000) seqno=7 if_id=3",
			withCounter(withSequence(withSPI(v4)), xfrmstat.Inbound, "no_states"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, isDrop, err := Parse([]byte(stamp + test.text))
			require.NoError(t, err)
			assert.True(t, isDrop)
			assert.Equal(t, test.want, got)
		})
	}
}

// The reasons of drops are those of the metric.
func TestCountersAreKnown(t *testing.T) {
	for op, counter := range counters {
		assert.True(t, counter.Known, "%s: %s", op, counter.Kernel)
	}
}

func TestParseOthers(t *testing.T) {
	for _, op := range []string{"SAD-add", "SAD-delete", "SPD-add", "SPD-delete", "SA-something-new", ""} {
		d, isDrop, err := Parse([]byte(stamp + "op=" + op + " auid=4294967295 ses=4294967295 subj=unconfined src=10.77.0.1 res=1"))
		require.NoError(t, err, op)
		assert.False(t, isDrop, op)
		assert.Zero(t, d, op)
	}
}

func TestParseMalformed(t *testing.T) {
	const packet = "op=SA-notfound src=10.77.0.1 dst=10.77.0.2 "
	const secret = "5ec2e7"
	const atStamp = "expected audit(SECONDS.MILLISECONDS:SERIAL): "
	const atFamily = "expected src= and dst= of the same family"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", atStamp},
		{"other text", secret, atStamp},
		{"no seconds", "audit(.763:8): " + packet, atStamp},
		{"negative seconds", "audit(-1.763:8): " + packet, atStamp},
		{"seconds beyond time", "audit(9223372037.763:8): " + packet, atStamp},
		{"four digits of milliseconds", "audit(1.1000:8): " + packet, atStamp},
		{"no serial", "audit(1.000): " + packet, atStamp},
		{"serial is no number", "audit(1.000:" + secret + "): " + packet, atStamp},
		{"not closed", "audit(1.000:8 " + packet, atStamp},
		{"no fields", stamp, "expected op="},
		{"op not first", stamp + "src=10.77.0.1 op=SA-notfound dst=10.77.0.2", "expected op="},
		{"no addresses", stamp + "op=SA-notfound", atFamily},
		{"no dst", stamp + "op=SA-notfound src=10.77.0.1 spi=1(0x1)", atFamily},
		{"no src", stamp + "op=SA-notfound dst=10.77.0.1 spi=1(0x1)", atFamily},
		{"no src, IPv6", stamp + "op=SA-notfound dst=fd00::1 spi=1(0x1)", atFamily},
		{"families", stamp + "op=SA-notfound src=10.77.0.1 dst=fd00::1", atFamily},
		{"src", stamp + "op=SA-notfound src=" + secret + " dst=10.77.0.2", "expected an address in src="},
		{"dst", stamp + "op=SA-notfound src=10.77.0.1 dst=10.77.0." + secret, "expected an address in dst="},
		{"zone", stamp + "op=SA-notfound src=fe80::1%" + secret + " dst=fe80::2", "expected an address in src="},
		{"spi without hexadecimal", stamp + packet + "spi=4096", "expected spi=DECIMAL(0xHEXADECIMAL)"},
		{"spi differs", stamp + packet + "spi=4096(0x1001)", "expected spi=DECIMAL(0xHEXADECIMAL)"},
		{"spi too large", stamp + packet + "spi=4294967296(0x100000000)", "expected spi=DECIMAL(0xHEXADECIMAL)"},
		{"seqno", stamp + packet + "spi=1(0x1) seqno=" + secret, "expected a number in seqno="},
		{"seqno too large", stamp + packet + "spi=1(0x1) seqno=4294967296", "expected a number in seqno="},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, isDrop, err := Parse([]byte(test.text))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error(), secret)
			assert.False(t, isDrop)
			assert.Zero(t, d)
		})
	}
}

// write writes a record as the kernel does.
func write(op string, d *Drop) string {
	var b strings.Builder
	fmt.Fprintf(&b, "audit(%d.%03d:1): op=%s src=%s dst=%s", d.Time.Unix(), d.Time.Nanosecond()/1e6, op,
		d.Source.StringExpanded(), d.Destination.StringExpanded())
	if d.Source.Is6() {
		b.WriteString(" flowlbl=0xabcde")
	}
	if d.HasSPI {
		fmt.Fprintf(&b, " spi=%d(0x%x)", d.SPI, d.SPI)
	}
	if d.HasSequence {
		fmt.Fprintf(&b, " seqno=%d", d.Sequence)
	}
	return b.String()
}

// What is read is what was written, and nothing makes Parse fail in another way than
// with ErrMalformed.
func FuzzParse(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte(stamp + "op=SA-replayed-pkt src=10.77.0.1 dst=10.77.0.2 spi=4096(0x1000) seqno=7"))
	f.Add([]byte(stamp + "op=SA-notfound src=fd00:0077:0000:0000:0000:0000:0000:0001 " +
		"dst=0000:0000:0000:0000:0000:ffff:0a4d:0002 flowlbl=0xabcde spi=256(0x100) seqno=4294967295"))
	f.Add([]byte(stamp + "op=SA-replay-overflow src=10.77.0.1 dst=10.77.0.2 spi=4294967295(0xffffffff)"))
	f.Add([]byte(stamp + "op=SAD-add auid=0 ses=1 subj=unconfined src=10.77.0.1 dst=10.77.0.2 spi=256(0x100) res=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, isDrop, err := Parse(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
		if !isDrop {
			require.Zero(t, d)
			return
		}
		for op, counter := range counters {
			if counter.Direction != d.Direction || counter.Reason != d.Reason {
				continue
			}
			again, isDrop, err := Parse([]byte(write(op, &d)))
			require.NoError(t, err)
			require.True(t, isDrop)
			require.Equal(t, d, again)
			return
		}
		t.Fatalf("unknown counter: %s %s", d.Direction, d.Reason)
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(stamp + "op=SA-notfound src=10.77.0.1 dst=10.77.0.2 spi=4096(0x1000) seqno=7")
	b.ReportAllocs()
	for b.Loop() {
		if _, isDrop, err := Parse(text); err != nil || !isDrop {
			b.Fatal(err)
		}
	}
}
