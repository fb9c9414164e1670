#!/bin/sh
# Generates the bindings. The generator writes its Go file beside its input and
# names it after the interface.
set -eu
cd "$(dirname "$0")"
go tool varlink-go-interface-generator io.podman.varlink
chmod 0644 iopodman.go
gofmt -w iopodman.go
