// Package limits defines every bound of this service in one place, each with its
// reason. A bound keeps one client, or one mistake, from taking what the others need: a
// client that reaches it gets a clear error, and other clients are unaffected. A bound
// that an administrator may want to change has an option where it is used, with the
// constant here as its default.
package limits

import "time"

// Connections. There is one call at a time on a connection, and so at most one
// subscription: bounding connections bounds both.
const (
	// Connections is how many connections may be open at a time. An idle subscriber
	// takes well under 16 KiB, so that all of them take about as much memory as one
	// browser tab.
	Connections = 8192
	// ReservedConnections are reserved for root and the service's user: an
	// administrator can connect when every other client is refused.
	ReservedConnections = 64
	// ConnectionsPerUID is how many any other user may have, so that it takes more than
	// a dozen users to shut out the next.
	ConnectionsPerUID = 512
	// Refusals is how many clients beyond these bounds are sent an error at a time. Any
	// more are just closed.
	Refusals = 64
	// RefusalTimeout is how long a refused client may take to send its first call. The
	// error is the reply to it.
	RefusalTimeout = 2 * time.Second
)

// Requests.
const (
	// Request is the length of the longest request in bytes. The longest legitimate one
	// writes an event with all labels of a container, some ten kilobytes.
	Request = 1 << 20
	// RequestMemoryPerUID is how much memory the unfinished requests of a user other
	// than root and the service's user may take, beyond ReadBuffer for each connection.
	// Without it, ConnectionsPerUID requests of almost Request bytes, never finished,
	// would take half a gigabyte.
	RequestMemoryPerUID = 16 << 20
	// RequestTimeout is how long a request may take from its first to its last byte.
	// Local programs need microseconds; people who type one need less than this.
	RequestTimeout = 30 * time.Second
	// ReadBuffer is how much is read at a time. Nearly every request fits, and there
	// are only as many buffers as requests being read.
	ReadBuffer = 4 << 10
	// BusyReadBuffer is how much is read at a time from a client that sends calls
	// faster than they are answered. It counts towards RequestMemoryPerUID.
	BusyReadBuffer = 32 << 10
	// Depth is how deeply the JSON of a request may be nested. The contract needs four
	// levels.
	Depth = 32
)

// Replies.
const (
	// PastReadersPerUID is how many calls of a user other than root and the service's
	// user, and on D-Bus subscriptions and streams, may read the past at a time, over
	// all interfaces; further ones wait their turn.
	PastReadersPerUID = 16
	// PastReadingPerUID is how many of these read from the store at the same moment;
	// the others wait for their clients to take what was read.
	PastReadingPerUID = 2
	// PastMemoryPerUID is how many bytes of events these hold together, however long
	// the events are: beyond it, no more is read until some client has taken what was
	// read for it. PastBatch is what one reading needs at least. The total is twice
	// what all need, since data that a client is slow to take is held in addition to
	// what is read next: with a factor of one, fifteen stalled readers of long events
	// blocked the sixteenth.
	PastMemoryPerUID = 2 * PastReadersPerUID * PastBatch
	PastBatch        = 4 << 20
	// WideSocket is how many bytes the socket of a client may hold while a reply of
	// several pages is sent to it, as far as net.core.wmem_max allows. It is as much as
	// a page, so that the next page is made while the client reads one. At most
	// PastReadersPerUID replies of a user are under way.
	WideSocket = PageBytes
	// WriteTimeout is how long a client may read none of what is sent to it. It is
	// generous because a person who reads a stream in a pager stops reading now and
	// then; a stalled client costs no more than its connection.
	WriteTimeout = 5 * time.Minute
	// ShutdownGrace is how long the stopping service waits for clients to read their
	// last reply. systemd kills it after 90 seconds, and a client that restarts it
	// waits.
	ShutdownGrace = 2 * time.Second
	// PageEvents and PageBytes bound one reply of GetEvents, as the contract says. An
	// event longer than PageBytes is a page of its own.
	PageEvents = 1000
	PageBytes  = 1 << 20
)

// The pauses between attempts to accept connections when the process, or the kernel,
// has run out of something, usually descriptors. Each attempt costs a system call, so
// the first is soon and later ones are rare.
const (
	AcceptFirstPause   = 5 * time.Millisecond
	AcceptLongestPause = time.Second
)

// Parameters.
const (
	// Filters is how many filters a call may have, and FilterLength how many bytes
	// each: every event is matched against every filter. FiltersLength is how many
	// bytes they may have in all; 256 full IDs of containers take 19 KiB.
	Filters       = 256
	FilterLength  = 4096
	FiltersLength = 32 << 10
	// Cursor is the maximum length of a cursor in bytes, as the contract says.
	Cursor = 255
	// ShortestHeartbeat and LongestHeartbeat bound heartbeatSec, as the
	// contract says.
	ShortestHeartbeat = time.Second
	LongestHeartbeat  = time.Hour
	// Event is how many bytes the line of a written event may have. Podman's default
	// limit for its whole log is 1,000,000; one event must not take up most of it.
	Event = 256 << 10
)

// Events in a store. They are as long as the labels of an image, which may come from
// anywhere.
const (
	// Line is how many bytes the line of an event may have. Podman's longest contain
	// the inspect data of a container, of which 800 kB have been seen, with its quotes
	// escaped. Longer lines are left out.
	Line = 4 << 20
	// OddLine is how long a line may be that is not in Podman's form: decoding it takes
	// twenty times as long.
	OddLine = 1 << 20
	// LabelsLength is how many bytes of JSON the labels of an event may have, and
	// Labels how many labels: every filter on a label searches them. Beyond these
	// bounds the event is delivered without labels. All annotations of a Kubernetes
	// object may have 256 KiB.
	LabelsLength = 256 << 10
	Labels       = 4096
	// OddLabels is LabelsLength for those in a journal that are not as
	// encoding/json writes them: to decode those takes five times as long.
	OddLabels = 64 << 10
)

// Entries of a journal. Every local user can put one there, of any length: what takes
// a sender 50 kB may be 768 MB here.
const (
	// JournalEntry is how many bytes the fields of an entry may have that are read,
	// and those that would have to be decompressed, with 16 KiB more for each of
	// these: Podman's entries have few. What is longer is left out unread.
	JournalEntry = 1 << 20
	// JournalEscapes is how many bytes longer the escapes of JSON may make a field
	// that they make more than half as long again. A sender has no work with them,
	// and a control character becomes six. JSON has a quote in eight characters.
	JournalEscapes = 16 << 10
)

// Denials, and expired cursors, are logged individually up to DenialBurst, and then at
// most once in each DenialPause: a refused client must not be able to fill the log.
const (
	DenialBurst = 20
	DenialPause = time.Second
)

// Panics are logged in the same way: each comes with a stack of some kilobytes.
const (
	PanicBurst = 5
	PanicPause = 10 * time.Second
)

// ListenLock is how long a starting service waits for another one that makes its socket
// at the same path.
const ListenLock = 5 * time.Second
