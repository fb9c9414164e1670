// Package iopodman is eventsvc's interface for podman-remote 1.x: the part of Podman's
// old Varlink interface, io.podman, that such a client needs to show events.
// io.podman.varlink says what it promises, and docs/legacy.md how it differs from the
// old server.
//
// It is designed around what unmodified clients do with a reply. They stop at a word
// that they do not know, so events with such words are left out. They take a blank
// event for the end, so one is sent at the end and nowhere else. They wait for ever if
// nothing arrives, so every call is answered: with events, with the end, or with an
// ErrorOccurred whose reason they print.
//
// New returns the interface, for service.Options. The events come from the feed that
// all interfaces share, and are encoded once for all followers of this one.
//
// The code in iopodman.go is generated from io.podman.varlink by varlink/go's generator
// and is never edited: change the description and run go generate.
package iopodman

//go:generate sh generate.sh
