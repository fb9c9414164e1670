#!/bin/sh
# Generates the bindings. The generator writes its Go file beside its input and
# names it after the interface, so it is given a copy of the contract here.
set -eu
cd "$(dirname "$0")"
trap 'rm -f io.podman.events.varlink' EXIT
cp ../io.podman.events.varlink io.podman.events.varlink
go tool varlink-go-interface-generator io.podman.events.varlink
chmod 0644 iopodmanevents.go
gofmt -w iopodmanevents.go
