// Package limits names every bound of this service in one place, each with its
// reason. A bound keeps one client, or one mistake, from taking what the others
// need; at a bound the one who hit it gets a clear error, and no other client
// notices. Whatever an administrator may want to turn has an option where it is
// used, with the constant here as its default.
package limits

import "time"

// Connections. There is one call at a time on a connection, in the order of the
// calls, and so at most one subscription: bounding connections bounds both.
const (
	// Connections is how many connections there may be at a time. An idle
	// subscriber takes well under 16 KiB, so that all of them take about as
	// much memory as one browser tab.
	Connections = 8192
	// ReservedConnections are those of them that only root and the user of the
	// service can have: an administrator gets in when every other client is
	// refused.
	ReservedConnections = 64
	// ConnectionsPerUID is how many a user other than those may have, so that
	// it takes more than a dozen users to shut out the next.
	ConnectionsPerUID = 512
	// Refusals is how many clients beyond these bounds are notified at a time.
	// Any more are just closed.
	Refusals = 64
	// RefusalTimeout is how long a client that is refused may take to
	// ask. The answer is a reply to its first call.
	RefusalTimeout = 2 * time.Second
)

// Requests.
const (
	// Request is the longest request in bytes. The longest honest one writes an
	// event with all labels of a container, some ten kilobytes.
	Request = 1 << 20
	// RequestMemoryPerUID is how much memory the unfinished requests of a user
	// other than root and the user of the service may take beyond ReadBuffer
	// for each connection: otherwise ConnectionsPerUID requests of almost
	// Request bytes, never finished, would take half a gigabyte.
	RequestMemoryPerUID = 16 << 20
	// RequestTimeout is how long a request may take from its first byte to its
	// last. Local programs need microseconds; people who type one need less
	// than this.
	RequestTimeout = 30 * time.Second
	// ReadBuffer is what is read at a time. Nearly every request fits, and
	// there are only as many buffers as there are requests being read.
	ReadBuffer = 4 << 10
	// BusyReadBuffer is what is read at a time from a client that sends calls
	// faster than they are answered. It counts as RequestMemoryPerUID does.
	BusyReadBuffer = 32 << 10
	// Depth is how deep the JSON of a request may be nested. The contract needs
	// four levels.
	Depth = 32
)

// Replies.
const (
	// PastReadersPerUID is how many calls of a user other than root and the
	// user of the service, and on D-Bus subscriptions and streams, may read the
	// past at a time, all interfaces together; further ones wait their turn.
	PastReadersPerUID = 16
	// PastReadingPerUID is how many of these read from the store at the same
	// moment; what the others have read waits for their clients.
	PastReadingPerUID = 2
	// PastMemoryPerUID is how many bytes of events these hold together, however
	// long the events are: beyond it no more is read until some client has taken
	// what was read for it. PastBatch is what a reading needs at least; twice as
	// much as all need, since what a client is slow to take is held beside what is
	// read next: with once, fifteen stalled readers of long events kept the sixteenth
	// from its own.
	PastMemoryPerUID = 2 * PastReadersPerUID * PastBatch
	PastBatch        = 4 << 20
	// WriteTimeout is how long a client may take no byte of what is sent to it.
	// It is generous because a person who reads a stream in a pager stops
	// reading now and then; a client that is held up costs no more than its
	// connection.
	WriteTimeout = 5 * time.Minute
	// ShutdownGrace is how long the service waits for clients to take their
	// last reply when it stops. systemd kills it after 90 seconds, and a client that
	// restarts it waits.
	ShutdownGrace = 2 * time.Second
	// PageEvents and PageBytes bound one reply of GetEvents, as the contract
	// says. An event that is longer than PageBytes makes a page of its own.
	PageEvents = 1000
	PageBytes  = 1 << 20
)

// Accepting connections when the process, or the kernel, has run out of
// something: descriptors above all. Each try costs a system call, so the first
// is soon and the later ones are seldom.
const (
	AcceptFirstPause   = 5 * time.Millisecond
	AcceptLongestPause = time.Second
)

// Parameters.
const (
	// Filters is how many filters a call may have, and FilterLength how many
	// bytes each: every event is held against every filter. FiltersLength is how
	// many bytes they may have in all; 256 full IDs of containers take 19 KiB.
	Filters       = 256
	FilterLength  = 4096
	FiltersLength = 32 << 10
	// Cursor is the length of a cursor in bytes, as the contract says.
	Cursor = 255
	// ShortestHeartbeat and LongestHeartbeat bound heartbeatSec, as the
	// contract says.
	ShortestHeartbeat = time.Second
	LongestHeartbeat  = time.Hour
	// Event is how long the line of an event that is written may be in bytes.
	// Podman's default limit for its whole log is 1,000,000; one event must not
	// take up most of it.
	Event = 256 << 10
)

// Events in a store, which are as long as the labels of an image from anywhere.
const (
	// Line is how long the line of an event may be in bytes. Podman's longest
	// have the inspect data of a container, of which 800 kB have been seen, with
	// its quotes escaped. What is longer is left out.
	Line = 4 << 20
	// OddLine is how long a line may be that is not in Podman's form: to decode
	// one takes twenty times as long.
	OddLine = 1 << 20
	// LabelsLength is how many bytes of JSON the labels of an event may have, and
	// Labels how many there may be: every filter on a label looks through them.
	// Beyond these the event is delivered without labels. All annotations of a
	// Kubernetes object may have 256 KiB.
	LabelsLength = 256 << 10
	Labels       = 4096
)

// JournalEntry is how many bytes the fields of an entry of a journal may have that
// are read, and those that would have to be decompressed, with 16 KiB more for each
// of these: Podman's entries have few. Every local user can put one there, of any
// length: what takes a sender 50 kB may be 768 MB here. What is longer is left out
// unread.
const JournalEntry = 2 << 20

// Denials, and cursors that have expired, are logged one by one up to DenialBurst, and then at most one for
// each DenialPause: a client that is refused must not be able to fill the log.
const (
	DenialBurst = 20
	DenialPause = time.Second
)

// Panics are logged in the same way: each comes with a stack of some kilobytes.
const (
	PanicBurst = 5
	PanicPause = 10 * time.Second
)

// ListenLock is how long a service that starts waits for another one that makes
// its socket at the same path.
const ListenLock = 5 * time.Second
