// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// ErrMalformed says that a record is not as the kernel writes it.
var ErrMalformed = errors.New("malformed audit record of type 1415 (AUDIT_MAC_IPSEC_EVENT)")

// expected returns the error about a field. It does not quote the record.
func expected(field string) error { return fmt.Errorf("%w: expected %s", ErrMalformed, field) }

// Parse returns the drop that the text of a record of type 1415 describes. isDrop is
// false if the record is about something else. The error wraps ErrMalformed.
//
// The kernel writes records with xfrm_audit_start, xfrm_audit_helper_pktinfo and
// xfrm_audit_state_* in net/xfrm/xfrm_state.c, and their beginning with
// audit_log_start in kernel/audit.c:
//
//	audit(1795578981.763:8): op=SA-notfound src=192.0.2.1 dst=192.0.2.2 spi=4096(0x1000) seqno=7
//	audit(1795578981.763:9): op=SA-notfound src=2001:... dst=2001:... flowlbl=0x12345 spi=...
//
// Some records lack seqno, or spi and seqno.
func Parse(text []byte) (d Drop, isDrop bool, err error) {
	stamp, rest, _ := bytes.Cut(text, []byte("): "))
	if d.Time, err = parseStamp(stamp); err != nil {
		return Drop{}, false, err
	}
	first, rest, _ := bytes.Cut(rest, []byte(" "))
	op, found := bytes.CutPrefix(first, []byte("op="))
	if !found {
		return Drop{}, false, expected("op=")
	}
	counter, isDrop := counters[string(op)]
	if !isDrop {
		return Drop{}, false, nil
	}
	d.Direction, d.Reason = counter.Direction, counter.Reason
	for field := range bytes.SplitSeq(rest, []byte(" ")) {
		if err := d.parseField(field); err != nil {
			return Drop{}, false, err
		}
	}
	if !d.Source.IsValid() || !d.Destination.IsValid() || d.Source.Is4() != d.Destination.Is4() {
		return Drop{}, false, expected("src= and dst= of the same family")
	}
	return d, true, nil
}

// parseStamp reads "audit(SECONDS.MILLISECONDS:SERIAL".
func parseStamp(stamp []byte) (time.Time, error) {
	const maxSeconds = 1 << 33 // the year 2242; time.Time.UnixNano ends in 2262
	rest, found := bytes.CutPrefix(stamp, []byte("audit("))
	seconds, rest, hasPoint := bytes.Cut(rest, []byte("."))
	millis, serial, hasColon := bytes.Cut(rest, []byte(":"))
	s, secondsErr := strconv.ParseInt(string(seconds), 10, 64)
	ms, millisErr := parseUint(millis)
	_, serialErr := parseUint(serial)
	if !found || !hasPoint || !hasColon || secondsErr != nil || millisErr != nil || serialErr != nil ||
		s < 0 || s > maxSeconds || ms > 999 {
		return time.Time{}, expected("audit(SECONDS.MILLISECONDS:SERIAL): ")
	}
	return time.Unix(s, int64(ms)*int64(time.Millisecond)), nil
}

// parseField reads one "NAME=VALUE". It ignores the names that it does not know.
func (d *Drop) parseField(field []byte) (err error) {
	name, value, _ := bytes.Cut(field, []byte("="))
	switch string(name) {
	case "src":
		if d.Source, err = parseAddress(value); err != nil {
			return expected("an address in src=")
		}
	case "dst":
		if d.Destination, err = parseAddress(value); err != nil {
			return expected("an address in dst=")
		}
	case "spi":
		decimal, hexadecimal, _ := bytes.Cut(value, []byte("("))
		spi, decimalErr := parseUint(decimal)
		same, hexErr := parseHex(bytes.TrimSuffix(hexadecimal, []byte(")")))
		if decimalErr != nil || hexErr != nil || spi != same {
			return expected("spi=DECIMAL(0xHEXADECIMAL)")
		}
		d.SPI, d.HasSPI = spi, true
	case "seqno":
		sequence, err := parseUint(value)
		if err != nil {
			return expected("a number in seqno=")
		}
		d.Sequence, d.HasSequence = sequence, true
	}
	return nil
}

func parseAddress(text []byte) (netip.Addr, error) {
	address, err := netip.ParseAddr(string(text))
	if address.Zone() != "" {
		return netip.Addr{}, errors.New("it has a zone")
	}
	return address, err
}

func parseUint(text []byte) (uint32, error) {
	n, err := strconv.ParseUint(string(text), 10, 32)
	return uint32(n), err
}

func parseHex(text []byte) (uint32, error) {
	n, err := strconv.ParseUint(string(bytes.TrimPrefix(text, []byte("0x"))), 16, 32)
	return uint32(n), err
}
