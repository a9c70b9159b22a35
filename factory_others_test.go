// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package xfrmreceiver

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
)

func TestOtherSystems(t *testing.T) {
	_, err := NewFactory().CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type),
		NewFactory().CreateDefaultConfig(), consumertest.NewNop())
	require.EqualError(t, err, "reading XFRM statistics needs Linux, this is "+runtime.GOOS)
}
