//go:build systemd

package test

// buildTags are those that the daemon under test is built with: those of the
// tests.
const buildTags = "systemd"
