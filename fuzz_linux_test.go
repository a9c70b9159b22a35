// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// Whatever stands in the file: no panic, no two points with the same attributes,
// no negative value, and every good line's counter, however bad the others are.
func FuzzScrape(f *testing.F) {
	files, err := filepath.Glob("testdata/xfrm_stat/linux-*")
	if err != nil || len(files) == 0 {
		f.Fatal("no captures", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, false)
		f.Add(append(content, "XfrmInError 1 2\n\xff\nXfrmNew 7"...), true)
	}
	f.Add([]byte("XfrmInError 9223372036854775807\nXfrmOutError 9223372036854775807\n"), false)

	root := f.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc/1/net"), 0o755); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(root, "proc/1/net/xfrm_stat")
	f.Fuzz(func(t *testing.T, content []byte, omitZero bool) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := newDefaultConfig()
		cfg.RootPath, cfg.OmitZero = root, omitZero
		source, err := netns.NewSource(cfg.sourceOptions())
		if err != nil {
			t.Fatal(err)
		}
		md, err := startScraper(t, cfg, source).scrape(context.Background())
		if err != nil && len(err.Error()) > 4096 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}

		met := map[string]bool{}
		for _, dp := range dropped(md) {
			key := name(dp)
			if met[key] {
				t.Fatalf("two points %s", key)
			}
			met[key] = true
			if dp.IntValue() < 0 || omitZero && dp.IntValue() == 0 {
				t.Fatalf("%s is %d", key, dp.IntValue())
			}
			if dp.StartTimestamp() > dp.Timestamp() {
				t.Fatal("the start is after the point")
			}
		}
		var parser xfrmstat.Parser
		counters, _ := parser.Parse(nil, content)
		if !omitZero && len(content) <= netns.MaxFileSize && len(dropped(md)) != len(counters) {
			t.Fatalf("%d good lines gave %d points", len(counters), len(dropped(md)))
		}
		if len(content) > netns.MaxFileSize && err == nil {
			t.Fatal("a file without end is no error")
		}
	})
}

// Whatever stands in the configuration: an error or a receiver, no panic.
func FuzzConfig(f *testing.F) {
	content, err := os.ReadFile("testdata/config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for section := range strings.SplitSeq(string(content), "xfrm/") {
		if _, body, ok := strings.Cut(section, ":\n"); ok {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(_ *testing.T, content []byte) {
		retrieved, err := confmap.NewRetrievedFromYAML(content)
		if err != nil {
			return
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			return
		}
		cfg := newDefaultConfig()
		if conf.Unmarshal(cfg) != nil || confmap.Validate(cfg) != nil {
			return
		}
		source, err := netns.NewSource(cfg.sourceOptions())
		if err != nil {
			return
		}
		newScraper(receivertest.NewNopSettings(metadata.Type), cfg, source).stop()
	})
}
