//go:build !systemd

package fleet

// buildTags are those that eventsvc is built with: those of the tests.
const buildTags = ""
