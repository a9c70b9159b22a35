// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

func TestCountPoints(t *testing.T) {
	s := newScraper(receivertest.NewNopSettings(metadata.Type), allMetrics(), nil)
	s.starts = &starts{}
	s.recordAssociations(nil, tunnelTime)
	s.recordAssociations(&associations.Namespace{Associations: 9}, tunnelTime) // not counted
	require.Zero(t, s.builder.Emit().DataPointCount())
	s.recordAssociations(&associations.Namespace{
		Counted: true, Associations: 7,
		Policies: xfrmnl.PolicyCounts{In: 1, Out: 2, Forward: 3, SocketIn: 4, SocketOut: 5, SocketForward: 6},
	}, tunnelTime)
	got := map[string]int64{}
	for _, metric := range s.builder.Emit().ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, dp := range metric.Sum().DataPoints().All() {
			key := metric.Name()
			for _, attribute := range []string{"direction", "xfrm.policy.scope"} {
				if value, ok := dp.Attributes().Get(attribute); ok {
					key += " " + value.AsString()
				}
			}
			got[key] = dp.IntValue()
		}
	}
	assert.Equal(t, map[string]int64{
		"xfrm.sa.count":                       7,
		"xfrm.policy.count inbound namespace": 1, "xfrm.policy.count outbound namespace": 2, "xfrm.policy.count forward namespace": 3,
		"xfrm.policy.count inbound socket": 4, "xfrm.policy.count outbound socket": 5, "xfrm.policy.count forward socket": 6,
	}, got)
}

// A namespace that ended during the scrape is no failure. A kernel without
// NETLINK_XFRM is said once.
func TestWhatIsNoFailureOfAssociations(t *testing.T) {
	f, logs := newTestFailures()
	for range 2 {
		f.addAssociations(&netns.Namespace{PID: 1}, []error{netns.ErrGone, associations.ErrNoXfrmUser})
		require.NoError(t, f.report())
	}
	assert.Equal(t, 1, logs.Len())
	f.addAssociations(&netns.Namespace{}, []error{associations.ErrNotPermitted})
	require.ErrorContains(t, f.report(), "the main network namespace: reading security associations and policies requires the capability CAP_NET_ADMIN")
}

// A failure of associations says in which namespace, and a timeout what to change.
func TestFailuresOfAssociations(t *testing.T) {
	f, _ := newTestFailures()
	for _, name := range []string{"a", "b"} {
		f.addAssociations(&netns.Namespace{Name: name}, []error{errors.New("NETLINK_XFRM: broken")})
	}
	f.addAssociations(&netns.Namespace{Name: "slow"}, []error{fmt.Errorf("NETLINK_XFRM: %w", context.DeadlineExceeded)})
	err := f.report()
	require.ErrorContains(t, err, "netns.name=a: NETLINK_XFRM: broken")
	require.ErrorContains(t, err, "netns.name=b: NETLINK_XFRM: broken")
	require.ErrorContains(t, err, "netns.name=slow: timeout ended the scrape before the namespace was read; raise timeout")
}
