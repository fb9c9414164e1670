package limits

import "time"

// D-Bus messages.
const (
	// DBusMessage is the length in bytes of the longest message read from a bus: a
	// Request and room for its header. A longer call gets LimitsExceeded and is never
	// held in memory.
	DBusMessage = Request + 64<<10
	// DBusHeader is the length of the longest message header. A bus bounds names to 255
	// bytes each; only a path may be longer.
	DBusHeader = 32 << 10
	// DBusEvent is about the maximum length in bytes of an event in a signal. A longer
	// event is truncated, and marked: a bus closes the connection of a service that
	// sends too much, and other programs on it read these signals, too.
	DBusEvent = 60 << 10
	// DBusPageEvent is the same for an event in a page. A page of PageBytes can hold
	// two of them.
	DBusPageEvent = 512 << 10
	// DBusBatch is how much is written to a bus at a time: a larger write costs little
	// more than its bytes, a smaller one lets other replies in between.
	DBusBatch = 32 << 10
)

// D-Bus calls. They are handled in sequence for each sender, and in parallel for
// different ones.
const (
	// CallsPerSender is how many calls of one connection may be queued. A library that
	// does not wait for replies can reach it.
	CallsPerSender = 128
	// CallsPerUID is how many calls of one user other than root and the service's user
	// may be queued, and CallMemoryPerUID how many bytes they may take.
	CallsPerUID      = 512
	CallMemoryPerUID = 8 << 20
	// Calls is how many calls may be queued in all, and CallMemory how many bytes they
	// may take.
	Calls      = 4096
	CallMemory = 64 << 20
	// CallsAtOnce is how many calls are handled at a time, and CallsAtOncePerUID how
	// many of one user. A call does not count while it reads or writes the store: that
	// may take long, and is bounded by PastReadersPerUID.
	CallsAtOnce       = 32
	CallsAtOncePerUID = 6
	// Refused is how many bytes of refusals may be queued for the bus. Beyond it
	// callers do not even get an error.
	Refused = 1 << 20
	// BusTimeout is how long the bus itself may take to reply.
	BusTimeout = 10 * time.Second
)

// PingPause is how long to wait before repeating a ping that the bus has refused
// because too many are unanswered.
const PingPause = 100 * time.Millisecond

// RefusalPause is the least time between two log messages about calls that were refused
// at one of these bounds.
const RefusalPause = 10 * time.Second

// D-Bus subscriptions and streams.
const (
	// SubscriptionsPerSender is how many subscriptions one connection may have,
	// SubscriptionsPerUID one user other than root and the service's user, and
	// Subscriptions all users together.
	SubscriptionsPerSender = 64
	SubscriptionsPerUID    = 256
	Subscriptions          = 4096
	// Token is the longest token of a subscription in bytes.
	Token = 128
	// SignalWindow is how many bytes of signals are sent to a connection before it is
	// pinged (org.freedesktop.DBus.Peer.Ping) to show that it reads, and SignalWindows
	// how many such pings of one subscription may be unanswered. What a subscriber has
	// not read is queued in the bus, which drops messages, or disconnects, when that
	// becomes too much.
	SignalWindow  = 256 << 10
	SignalWindows = 2
	// PingsPerSender is how many pings to one connection may be unanswered, PingsPerUID
	// to those of one user other than root and the service's user, and Pings to all: a
	// dbus-daemon lets one connection wait for 128 replies.
	PingsPerSender = 4
	PingsPerUID    = 32
	Pings          = 120
	// StreamsPerUID is how many streams one user other than root and the service's user
	// may have open, and Streams all users together: each holds a descriptor.
	StreamsPerUID = 32
	Streams       = 512
	// TrustedShare reserves one in so many of all subscriptions, and of all streams,
	// for root and the service's user.
	TrustedShare = 8
)

// The pauses between attempts to connect to a bus.
const (
	BusBackoffFirst = 100 * time.Millisecond
	BusBackoffMost  = 15 * time.Second
)
