// Package messageid defines the kinds of log messages that monitors match: each has a
// MESSAGE_ID in the journal (systemd.journal-fields(7)), and an entry in the catalog
// that the packages install, dist/systemd/eventsvc.catalog. An ID never changes.
package messageid

import "log/slog"

// Key is the attribute of a record that holds its ID. Only the journal shows it.
const Key = "MESSAGE_ID"

// The kinds.
var (
	// Lost: events may have been lost.
	Lost = slog.String(Key, "85e7ef6dc1d34d7fb1e12c633aa221a8")
	// Expired: a client asked for a place that the store no longer holds.
	Expired = slog.String(Key, "1ae98e5e68eb48b2bb69111ef534bfb5")
	// Denied: a client may not do what it asked for.
	Denied = slog.String(Key, "52ea82125e984eb88e06aa6fb4de6711")
	// Fault: something keeps events from being read, written or served.
	Fault = slog.String(Key, "e1b694075c094862b124b65afb3c0094")
	// Recovered: a fault is over.
	Recovered = slog.String(Key, "9ebe843a309841189e9a0a2074edfc07")
	// Reloaded: the configuration was read again.
	Reloaded = slog.String(Key, "ce45d8b066ea490f9a20e66d702bd4bc")
	// NotReloaded: the configuration is invalid, and the previous one stays in effect.
	NotReloaded = slog.String(Key, "a3936c5a29cd4064ac488efc5d37818d")
)
