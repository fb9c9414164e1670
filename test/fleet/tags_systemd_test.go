//go:build systemd

package fleet

// buildTags are the tags that eventsvc is built with: those of the tests.
const buildTags = "systemd"
