// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/golden"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// What comes out for the files of real kernels (testdata/xfrm_stat/README.md).
func TestGolden(t *testing.T) {
	for _, kernel := range []string{"linux-5.10", "linux-6.1", "linux-6.12", "linux-6.18", "linux-7.3"} {
		t.Run(kernel, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("testdata", "xfrm_stat", kernel))
			require.NoError(t, err)
			proc := newFakeProc(t)
			proc.write(string(content))
			got := start(t, defaultConfig(), proc.source()).next()

			file := filepath.Join("testdata", "golden", kernel+".yaml")
			if *update {
				require.NoError(t, golden.WriteMetricsToFile(file, got))
			}
			want, err := golden.ReadMetrics(file)
			require.NoError(t, err)
			require.NoError(t, pmetrictest.CompareMetrics(want, got,

				pmetrictest.IgnoreMetricDataPointsOrder(), // golden files are sorted
				pmetrictest.IgnoreTimestamp(), pmetrictest.IgnoreStartTimestamp()))
		})
	}
}
