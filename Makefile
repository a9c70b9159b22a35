# `make run` shows this machine's counters, `make test` passes the tests; both need Go alone.
# `make help` lists all.

# The same for all targets, so that they share what the compiler has made. The race detector needs cgo.
export CGO_ENABLED := 0
export GOFLAGS += -trimpath

BIN        := $(CURDIR)/bin
COLLECTOR  := $(BIN)/otelcol-xfrm
CONFIG     ?= distribution/config/terminal.yaml
FUZZTIME   ?= 30s
MODULES    := . benchmarks e2e monitoring/dashboard tools/certificates tools/containerd tools/etcd tools/jsonnet tools/kubernetes tools/lint tools/mdatagen tools/nfpm tools/ocb tools/ocb-v0.165 tools/prometheus tools/runc
# Where the host has no C compiler the race detector is left out, aloud.
CC_FOUND   := $(shell command -v $${CC:-gcc} 2>/dev/null || command -v cc 2>/dev/null)
RACE       := $(if $(CC_FOUND),-race)

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

.PHONY: run
run: build ## Build the collector and show this machine's counters; Ctrl-C ends it.
	@exec $(COLLECTOR) --config $(CONFIG)

.PHONY: build
build: $(COLLECTOR) ## Build the collector, bin/otelcol-xfrm, with the OpenTelemetry Collector Builder.

SOURCES := go.mod $(shell find . -maxdepth 1 -name '*.go' ! -name '*_test.go') \
	$(shell find internal distribution/envtextprovider -name '*.go' ! -name '*_test.go')

$(COLLECTOR): distribution/manifest.yaml $(SOURCES) | $(BIN)/ocb
	cd distribution && $(BIN)/ocb --config manifest.yaml --skip-compilation
	cd distribution/build && go build -ldflags='-s -w' -o $@ .

# The same components in a newer collector. These three stay at v0.161.0, because not every module proxy has what
# they need at v0.165.0.
NEWER := $(BIN)/otelcol-xfrm-v0.165

$(NEWER): distribution/manifest.yaml $(SOURCES) | $(BIN)/ocb-v0.165
	mkdir -p distribution/build-v0.165
	sed -E '/(filterprocessor|fileexporter|prometheusexporter) /!s/ v0\.161\.0/ v0.165.0/; s/ v1\.67\.0/ v1.71.0/; s|\./build|./build-v0.165|' \
		distribution/manifest.yaml > distribution/build-v0.165/manifest.yaml
	cd distribution && $(BIN)/ocb-v0.165 --config build-v0.165/manifest.yaml --skip-compilation
	cd distribution/build-v0.165 && go build -ldflags='-s -w' -o $@ .

.PHONY: release
release: dist/SHA256SUMS ## Static binaries for linux amd64, arm64, arm and 386, archives and checksums, in dist/.

dist/SHA256SUMS: $(COLLECTOR) distribution/release.sh $(wildcard distribution/config/* distribution/systemd/* tools/certificates/*) monitoring/alerts.yaml monitoring/dashboard.json monitoring/tunnels.json LICENSE
	distribution/release.sh

.PHONY: packages
packages: release $(BIN)/nfpm ## A deb and an rpm for each architecture, in dist/.
	distribution/packages.sh $(BIN)/nfpm

IMAGE ?= localhost/otelcol-xfrm

.PHONY: image
image: release ## A container image of this machine's architecture, with buildah; IMAGE is its name.
	buildah build --isolation chroot --arch $$(go env GOARCH) --tag $(IMAGE) -f distribution/container/Dockerfile .

.PHONY: test
test: ## Pass all tests of the receiver, with the race detector where there is a C compiler.
ifeq ($(RACE),)
	@echo 'NOTE: no C compiler found, the tests run without the race detector.'
endif
	$(if $(RACE),CGO_ENABLED=1) go test $(RACE) -count=1 ./...

.PHONY: test-386
test-386: ## Pass the tests as a 32-bit program (needs an amd64 or 386 kernel).
	GOARCH=386 go test -count=1 ./...

.PHONY: cross
cross: ## Compile everything, tests included, for the other systems and architectures.
	@for target in darwin/arm64 windows/amd64 freebsd/amd64 linux/arm linux/arm64; do \
		echo "go vet $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} go vet ./... || exit 1; \
	done

.PHONY: fuzz
fuzz: ## Fuzz parsers, decoders, the sums of tunnels, the configuration and whole scrapes, for FUZZTIME (30s) each.
	go test ./internal/xfrmstat -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)
	go test ./internal/netns -run '^$$' -fuzz FuzzParseCgroup -fuzztime $(FUZZTIME)
	go test ./internal/netlink -run '^$$' -fuzz FuzzMessages -fuzztime $(FUZZTIME)
	go test ./internal/xfrmnl -run '^$$' -fuzz 'FuzzDecode$$' -fuzztime $(FUZZTIME)
	go test ./internal/xfrmnl -run '^$$' -fuzz FuzzDecodePolicies -fuzztime $(FUZZTIME)
	go test ./internal/rtnetlink -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME)
	go test ./internal/tunnel -run '^$$' -fuzz FuzzAccumulator -fuzztime $(FUZZTIME)
	go test ./internal/audit -run '^$$' -fuzz FuzzParse -fuzztime $(FUZZTIME)
	go test ./internal/causes -run '^$$' -fuzz FuzzHasOtherMember -fuzztime $(FUZZTIME)
	go test . -run '^$$' -fuzz FuzzDescribe -fuzztime $(FUZZTIME)
	go test . -run '^$$' -fuzz FuzzConfig -fuzztime $(FUZZTIME)
	go test . -run '^$$' -fuzz FuzzScrape -fuzztime $(FUZZTIME)

.PHONY: e2e
e2e: packages $(BIN)/prometheus $(BIN)/promtool ## Drop real packets in scratch network namespaces and follow them to OTLP and Prometheus (needs root, iproute2).
	cd e2e && OTELCOL_XFRM=$(COLLECTOR) PROMETHEUS=$(BIN)/prometheus PROMTOOL=$(BIN)/promtool go test -count=1 -v -timeout 20m .

.PHONY: e2e-newer
e2e-newer: $(NEWER) $(BIN)/prometheus $(BIN)/promtool ## The configurations, the counters, tunnels and causes in a collector of v0.165 (needs root, iproute2).
	cd e2e && VERIFICATION_DIR= OTELCOL_XFRM=$(NEWER) PROMETHEUS=$(BIN)/prometheus PROMTOOL=$(BIN)/promtool go test -count=1 -v -timeout 10m \
		-run 'TestShippedConfigurations|TestDocumentedConfigurations|TestDroppedPacketsArrive|TestTunnelsOverlay|TestCauses' .

# With ALL_KERNELS set, tunnels and events are tested on three kernels instead of one, and tunnels with libreswan too.
.PHONY: e2e-kernels
e2e-kernels: build $(BIN)/prometheus $(BIN)/promtool ## The same inside Debian kernels that QEMU boots, through real IPsec (needs qemu-system-x86, xz-utils).
	cd e2e && OTELCOL_XFRM=$(COLLECTOR) PROMETHEUS=$(BIN)/prometheus PROMTOOL=$(BIN)/promtool go test -count=1 -v -timeout 90m ./kernels/...

KUBERNETES := $(BIN)/kubernetes
RUNTIME    := $(addprefix $(KUBERNETES)/,containerd containerd-shim-runc-v2 ctr)
CONTROL    := $(addprefix $(KUBERNETES)/,kube-apiserver kube-controller-manager kube-scheduler kubectl kubelet)
COMPONENTS := $(RUNTIME) $(CONTROL) $(addprefix $(KUBERNETES)/,etcd runc pod otelcol-xfrm-names)

.PHONY: e2e-kubernetes
e2e-kubernetes: build $(COMPONENTS) $(BIN)/prometheus $(BIN)/promtool ## Deploy every overlay to a single-node Kubernetes in namespaces of its own (needs root, containernetworking-plugins, iproute2, libseccomp-dev, a C compiler).
	cd e2e && KUBERNETES=$(KUBERNETES) OTELCOL_XFRM=$(COLLECTOR) PROMETHEUS=$(BIN)/prometheus PROMTOOL=$(BIN)/promtool go test -count=1 -v -timeout 30m ./kubernetes

.PHONY: verification
verification: ## Run all end-to-end tests, without skipping any, and write docs/verification.md from what they found.
	dir=$$(mktemp -d) && CI=true ALL_KERNELS=true VERIFICATION_DIR=$$dir $(MAKE) e2e e2e-kernels e2e-kubernetes && \
		cat e2e/verification.md $$dir/faults.md $$dir/kernels.md $$dir/kubernetes.md > docs/verification.md && rm -r $$dir

# Established associations need a kernel with ESP: they are measured in a guest, as e2e-kernels does. Without
# QEMU that part of the page is left out, aloud.
.PHONY: bench
bench: ## Compare with the bare system calls, procfs, client_golang and netlink; write docs/performance.md (needs root, iproute2; uses QEMU).
	dir=$$(mktemp -d) && { \
		(cd benchmarks && GOARCH=amd64 go build -o $$dir/benchmarks .) && \
		(cd e2e && BENCHMARKS=$$dir/benchmarks BENCHMARKS_OUTPUT=$$dir/established.md \
			go test -tags benchmarks -count=1 -v -timeout 20m -run TestBenchmarks ./kernels) && \
		cd benchmarks && go run . -guest $$dir/established.md -o ../docs/performance.md; \
	}; status=$$?; rm -r $$dir; exit $$status

.PHONY: screenshots
screenshots: build $(BIN)/promtool ## Write docs/images: a real Prometheus while a real kernel drops (needs root, Debian's prometheus and chromium).
	cd e2e && OTELCOL_XFRM=$(COLLECTOR) PROMETHEUS=/usr/bin/prometheus PROMTOOL=$(BIN)/promtool go test -tags screenshots -count=1 -run TestScreenshots .

.PHONY: generate
generate: mdatagen ## Write again what is generated from metadata.yaml.

# The name that go:generate calls in contrib (Makefile.Common).
.PHONY: mdatagen
mdatagen: $(BIN)/mdatagen
	@# mdatagen names the package after the folder.
	dir=$$(mktemp -d) && ln -s $(CURDIR) $$dir/xfrmreceiver && \
		$(BIN)/mdatagen $$dir/xfrmreceiver/metadata.yaml; status=$$?; rm -r $$dir; exit $$status

.PHONY: alerts
alerts: $(BIN)/jsonnet $(BIN)/jsonnetfmt $(BIN)/promtool ## Write the rules in monitoring/ again and let promtool test them.
	cd monitoring && $(BIN)/jsonnetfmt -i *.jsonnet *.libsonnet tests/config/*.jsonnet && \
		$(BIN)/jsonnet -S -o alerts.yaml alerts.jsonnet && \
		$(BIN)/jsonnet -S -o prometheusrule.yaml prometheusrule.jsonnet && \
		$(BIN)/jsonnet -S -m . compatibility.jsonnet >/dev/null
	$(BIN)/promtool check rules monitoring/alerts.yaml monitoring/compatibility-*.yaml
	$(BIN)/promtool test rules monitoring/tests/*.yaml
	monitoring/tests/config/run.sh $(BIN)/jsonnet $(BIN)/promtool

.PHONY: dashboard
dashboard: ## Write monitoring/dashboard.json and tunnels.json again and pass the tests of what writes it.
	cd monitoring/dashboard && go test -count=1 ./... && go run .

.PHONY: golden
golden: ## Write the golden files again, after a change of the output that is meant.
	go test . -run TestGolden -update

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/gofumpt ## go vet, golangci-lint and gofumpt.
	@for module in . e2e benchmarks monitoring/dashboard; do \
		(cd $$module && go vet ./... && $(BIN)/golangci-lint run ./...) || exit 1; \
	done
	@cd e2e && go vet -tags screenshots . && go vet -tags benchmarks ./kernels
	@unformatted=$$(git ls-files '*.go' ':!:*generated_*' | xargs $(BIN)/gofumpt -l) && \
		{ [ -z "$$unformatted" ] || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }; }

.PHONY: format
format: $(BIN)/gofumpt ## Format the Go files.
	git ls-files -co --exclude-standard '*.go' ':!:*generated_*' | xargs $(BIN)/gofumpt -w

.PHONY: tidy
tidy: ## go mod tidy in every module.
	@for module in $(MODULES); do (cd $$module && go mod tidy) || exit 1; done

.PHONY: clean
clean: ## Remove what the other targets built.
	rm -rf bin dist distribution/build distribution/build-v0.165

$(BIN)/ocb: tools/ocb/go.mod
	cd tools/ocb && go build -o $@ go.opentelemetry.io/collector/cmd/builder

$(BIN)/ocb-v0.165: tools/ocb-v0.165/go.mod
	cd tools/ocb-v0.165 && go build -o $@ go.opentelemetry.io/collector/cmd/builder

$(BIN)/mdatagen: tools/mdatagen/go.mod
	cd tools/mdatagen && go build -o $@ go.opentelemetry.io/collector/cmd/mdatagen

$(BIN)/golangci-lint: tools/lint/go.mod
	cd tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/gofumpt: tools/lint/go.mod
	cd tools/lint && go build -o $@ mvdan.cc/gofumpt

$(BIN)/nfpm: tools/nfpm/go.mod
	cd tools/nfpm && go build -o $@ github.com/goreleaser/nfpm/v2/cmd/nfpm

$(BIN)/prometheus: tools/prometheus/go.mod
	cd tools/prometheus && go build -o $@ github.com/prometheus/prometheus/cmd/prometheus

$(BIN)/promtool: tools/prometheus/go.mod
	cd tools/prometheus && go build -o $@ github.com/prometheus/prometheus/cmd/promtool

$(BIN)/jsonnet $(BIN)/jsonnetfmt: tools/jsonnet/go.mod
	cd tools/jsonnet && go build -o $@ github.com/google/go-jsonnet/cmd/$(@F)

# The first build of Kubernetes takes 10 minutes and more.
$(CONTROL) &: tools/kubernetes/go.mod
	cd tools/kubernetes && CGO_ENABLED=0 go build -trimpath -o $(KUBERNETES)/ \
		-ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes)" tool

$(KUBERNETES)/etcd: tools/etcd/go.mod
	cd tools/etcd && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $@ go.etcd.io/etcd/server/v3

$(RUNTIME) &: tools/containerd/go.mod
	cd tools/containerd && CGO_ENABLED=0 go build -trimpath -tags no_btrfs,no_zfs,no_devmapper -ldflags='-s -w' -o $(KUBERNETES)/ tool

$(KUBERNETES)/runc: tools/runc/go.mod
	cd tools/runc && CGO_ENABLED=1 go build -trimpath -tags seccomp -ldflags='-s -w' -o $@ github.com/opencontainers/runc

$(KUBERNETES)/pod: e2e/kubernetes/pod/main.go
	cd e2e && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $@ ./kubernetes/pod

# The collector with the processor that docs/kubernetes.md adds. OCB would tidy, and for that fetch what the tests of
# all modules need.
NAMES := $(CURDIR)/distribution/build/names

$(KUBERNETES)/otelcol-xfrm-names: $(COLLECTOR) docs/kubernetes.md
	mkdir -p $(NAMES) && sed -n '/^  - gomod:.*k8sattributesprocessor/p' docs/kubernetes.md > $(NAMES)/processor
	sed -e '/^processors:/r $(NAMES)/processor' -e 's,output_path: .*,output_path: $(NAMES),' distribution/manifest.yaml > $(NAMES)/manifest.yaml
	cd distribution && $(BIN)/ocb --config $(NAMES)/manifest.yaml --skip-compilation --skip-get-modules
	cd $(NAMES) && cp ../go.mod ../go.sum . && go mod edit -replace=github.com/xfrmreceiver/xfrmreceiver@v0.1.0=$(CURDIR) \
		-require=$$(sed 's/.*gomod: //; s/ /@/' processor)
	cd $(NAMES) && CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags='-s -w' -o $@ .
