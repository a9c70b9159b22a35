// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
)

// readAssociations reads the associations and policies of a namespace. It returns
// nil if none of their metrics is enabled, or if nothing was read.
func (s *xfrmScraper) readAssociations(ctx context.Context, r netns.Reading) *associations.Namespace {
	if s.associations == nil || r.Namespace == nil {
		return nil
	}
	if r.Sockets == nil {
		s.associations.Keep(r.Namespace)
		return nil
	}
	read, errs := s.associations.Read(ctx, r.Namespace, r.Sockets)
	s.failures.addAssociations(r.Namespace, errs)
	if !read.Counted && !read.Dumped {
		return nil
	}
	return read
}

func (s *xfrmScraper) recordAssociations(read *associations.Namespace, now time.Time) {
	if read == nil {
		return
	}
	ts := pcommon.NewTimestampFromTime(now)
	if read.Counted {
		s.builder.Reset(metadata.WithStartTime(s.starts.boot))
		s.builder.RecordXfrmSaCountDataPoint(ts, int64(read.Associations))
		for _, policies := range []struct {
			count     uint32
			direction metadata.AttributePolicyDirection
			scope     metadata.AttributeXfrmPolicyScope
		}{
			{read.Policies.In, metadata.AttributePolicyDirectionInbound, metadata.AttributeXfrmPolicyScopeNamespace},
			{read.Policies.Out, metadata.AttributePolicyDirectionOutbound, metadata.AttributeXfrmPolicyScopeNamespace},
			{read.Policies.Forward, metadata.AttributePolicyDirectionForward, metadata.AttributeXfrmPolicyScopeNamespace},
			{read.Policies.SocketIn, metadata.AttributePolicyDirectionInbound, metadata.AttributeXfrmPolicyScopeSocket},
			{read.Policies.SocketOut, metadata.AttributePolicyDirectionOutbound, metadata.AttributeXfrmPolicyScopeSocket},
			{read.Policies.SocketForward, metadata.AttributePolicyDirectionForward, metadata.AttributeXfrmPolicyScopeSocket},
		} {
			s.builder.RecordXfrmPolicyCountDataPoint(ts, int64(policies.count), policies.direction, policies.scope)
		}
	}
	if read.Dumped {
		read.Tunnels.Each(now, func(t *tunnel.Tunnel) { s.recordTunnel(t, now) })
	}
}
