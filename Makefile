# "make" or "make help" lists the targets. They need Go, make and git, nothing else; only test-peers installs packages.

GO       ?= go
# Time for each fuzz target of "make fuzz".
FUZZTIME ?= 30s

# With the journal if that can be built, which needs a C compiler and libsystemd's headers. Otherwise, or with "make TAGS=", pure
# Go: one static binary for every distribution, without the journal. libsystemd itself is loaded when it is needed.
TAGS ?= $(shell command -v cc >/dev/null && pkg-config --exists libsystemd 2>/dev/null && echo systemd)
CGO_ENABLED ?= $(if $(filter systemd,$(TAGS)),1,0)
export CGO_ENABLED
# Arguments of the harness behind "make bench": -quick, -only write,fanout ...
BENCH ?=

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo dev)
LDFLAGS := -X github.com/eventsvc/eventsvc/internal/version.Version=$(VERSION)

GOLANGCI         := bin/golangci-lint
GOLANGCI_MODULE  := github.com/golangci/golangci-lint/v2
GOLANGCI_VERSION := v2.15.0

NFPM         := bin/nfpm
NFPM_MODULE  := github.com/goreleaser/nfpm/v2
# Newer ones do not build with Go 1.26.
NFPM_VERSION := v2.44.2

CYCLONEDX         := bin/cyclonedx-gomod
CYCLONEDX_MODULE  := github.com/CycloneDX/cyclonedx-gomod
CYCLONEDX_VERSION := v1.10.0

# Architectures to build for: amd64, arm64. Empty: the machine's own. A release has both.
ARCHS        ?=
release: ARCHS := amd64 arm64
# Where packages, static programs and a release are put.
OUT          ?= dist/out
export OUT

.DEFAULT_GOAL := help
.PHONY: help go-version build run test test-peers race lint fmt generate packages source static release bench bench-autoupdate bench-fleet bench-parts fuzz clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The version of Go in go.mod. An older Go that can fetch it (1.21 and later) does so, and this says it.
GO_NEEDED := $(word 2,$(shell grep -m1 '^go ' go.mod))
GO_FETCHES := 1.21
older = [ "$$(printf '%s\n' $(1) $(2) | sort -V | sed -n 1p)" != $(2) ]

go-version:
	@have=$$(cd / && GOTOOLCHAIN=local $(GO) version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p'); \
	if [ -z "$$have" ]; then \
		echo "cannot build: there is no Go here; Go $(GO_NEEDED) or newer is needed; install it from the site of Go" >&2; exit 1; \
	elif $(call older,"$$have","$(GO_FETCHES)"); then \
		echo "cannot build: this is Go $$have, and Go $(GO_NEEDED) or newer is needed; install it from the site of Go" >&2; exit 1; \
	elif $(call older,"$$have","$(GO_NEEDED)"); then \
		echo "this is Go $$have; it fetches Go $(GO_NEEDED), which go.mod asks for" >&2; \
	fi

# Go knows best what is up to date, so it is always asked. -buildvcs=false: the version is stamped above, and Go would refuse
# to build in a checkout that belongs to another user.
build: go-version ## build bin/eventsvc and bin/eventsvc-updater
	$(GO) build -trimpath -buildvcs=false -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/ ./cmd/eventsvc ./cmd/eventsvc-updater

run: build ## build eventsvc and serve sample events over Varlink; Ctrl-C stops it
	@exec bin/eventsvc demo

fleet-demo: build ## try a fleet on this machine: NATS, three hosts, a collector; Ctrl-C stops it
	@exec test/fleet/demo.sh

test: build ## run all tests; the last lines say what was skipped, and why
	@$(GO) build -o bin/report ./test/report
	$(GO) test -json -tags '$(TAGS)' ./... | bin/report

test-peers: build ## install Podman, varlinkctl, D-Bus tools (root, Debian 12) and run the end-to-end tests, skipping none
	test/peers/install.sh
	test/peers/trixie.sh
	test/peers/nats.sh
	EVENTSVC_REQUIRE_PEERS=1 $(GO) test -count=1 -tags '$(TAGS)' ./test/...

race: build ## run all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -tags '$(TAGS)' ./...

lint: $(GOLANGCI).$(GOLANGCI_VERSION) ## check formatting, go vet, golangci-lint, and the shell scripts if shellcheck is installed
	$(GOLANGCI) fmt --diff
	$(GO) vet -tags '$(TAGS)' ./...
	$(GOLANGCI) run --build-tags '$(TAGS)'
	@if command -v shellcheck >/dev/null; then \
		git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck -x -P SCRIPTDIR && echo "shellcheck: no complaints"; \
	else echo "shellcheck is not installed: the shell scripts were not checked"; fi

fmt: $(GOLANGCI).$(GOLANGCI_VERSION) ## format the Go code
	$(GOLANGCI) fmt

# The linter is kept apart from go.mod, whose versions it must not influence. The stamp's name holds the version.
$(GOLANGCI).$(GOLANGCI_VERSION):
	rm -f $(GOLANGCI) $(GOLANGCI).v*
	GOBIN='$(CURDIR)/bin' $(GO) install $(GOLANGCI_MODULE)/cmd/golangci-lint@$(GOLANGCI_VERSION)
	touch $@

generate: ## generate the Varlink bindings
	$(GO) generate ./...

packages: $(NFPM).$(NFPM_VERSION) ## build the deb and the rpm into dist/out; ARCHS="amd64 arm64" for both architectures
	GO='$(GO)' NFPM='$(NFPM)' dist/package/build.sh $(ARCHS)

source: go-version ## make the source packages of Fedora and Debian, which build without network (docs/packaging.md)
	GO='$(GO)' dist/package/source.sh

$(NFPM).$(NFPM_VERSION):
	rm -f $(NFPM) $(NFPM).v*
	GOBIN='$(CURDIR)/bin' $(GO) install $(NFPM_MODULE)/cmd/nfpm@$(NFPM_VERSION)
	touch $@

static: $(CYCLONEDX).$(CYCLONEDX_VERSION) ## build static programs for any Linux into dist/out, with lists of their modules (CycloneDX)
	GO='$(GO)' CYCLONEDX='$(CYCLONEDX)' dist/package/static.sh $(ARCHS)

# Its output names its own main module: built in the same way everywhere, it writes the same everywhere.
$(CYCLONEDX).$(CYCLONEDX_VERSION):
	rm -f $(CYCLONEDX) $(CYCLONEDX).v*
	CGO_ENABLED=0 GOBIN='$(CURDIR)/bin' $(GO) install -trimpath $(CYCLONEDX_MODULE)/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	touch $@

release: packages static ## build a release into dist/out: packages, static programs, module lists, SHA256SUMS
	cd '$(OUT)' && sha256sum -- *.deb *.rpm *.tar.gz *.cdx.json >SHA256SUMS && cat SHA256SUMS

bench: ## compare the daemon with grep, Podman and plain varlink/go, and print one table (all rows need root and podman)
	$(GO) run ./test/bench $(BENCH)

bench-autoupdate: ## compare auto-update with podman's own (needs root, and the peers of test-peers)
	EVENTSVC_LONG=2 EVENTSVC_REQUIRE_PEERS=1 $(GO) test -count=1 -v -tags '$(TAGS)' -run '^TestAutoUpdate$$/^Bench$$' ./test

bench-fleet: build ## compare forwarding and collecting with bare programs that use nats.go (test/peers/nats.sh); FLEET=Latency, FLEET=Hosts: one row
	test/peers/nats.sh >/dev/null
	$(GO) test -count=1 -tags '$(TAGS)' -run '^$$' -bench '^BenchmarkFleet$(FLEET)$$' -benchtime 1x -timeout 30m ./test/fleet

bench-parts: ## run the Go benchmarks of the packages, in a form that benchstat reads
	$(GO) test -tags '$(TAGS)' -run '^$$' -bench . -benchmem ./...

fuzz: ## fuzz each target for FUZZTIME (30s)
	TAGS='$(TAGS)' FUZZTIME=$(FUZZTIME) test/fuzz.sh

clean: ## remove what was built, and the tools that were installed here
	rm -rf bin dist/out
