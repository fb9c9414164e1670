#!/bin/sh
# Generates the bindings of an interface into the working directory. The
# generator writes its Go file beside its input and names it after the interface,
# so it is given a copy of the contract here.
#
#	sh generate.sh INTERFACE
set -eu
trap 'rm -f "$1.varlink"' EXIT
cp "../$1.varlink" "$1.varlink"
go tool varlink-go-interface-generator "$1.varlink"
go=$(printf %s "$1" | tr -d .).go
chmod 0644 "$go"
gofmt -w "$go"
