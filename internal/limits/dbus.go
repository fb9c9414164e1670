package limits

import "time"

// D-Bus messages.
const (
	// DBusMessage is the longest message that is read from a bus in bytes: a
	// Request and room for its header. A longer call is answered with
	// LimitsExceeded and never held.
	DBusMessage = Request + 64<<10
	// DBusHeader is the longest header of a message. A bus bounds names to 255
	// bytes each; only a path may be longer.
	DBusHeader = 32 << 10
	// DBusEvent is about how long an event in a signal may be in bytes. What is
	// longer is cut, with a mark: a bus closes the connection of a service that
	// sends too much, and other programs on it read these signals too.
	DBusEvent = 60 << 10
	// DBusPageEvent is the same for an event in a page. It is small enough for
	// a page of PageBytes to hold two.
	DBusPageEvent = 512 << 10
	// DBusBatch is how much is written to a bus at a time: above it a write
	// costs little more than its bytes, below it other replies get in between.
	DBusBatch = 32 << 10
)

// D-Bus calls. They are handled one after the other for each sender, and side
// by side for different ones.
const (
	// CallsPerSender is how many calls of one connection may wait. A library
	// that does not wait for replies gets this far.
	CallsPerSender = 128
	// CallsPerUID is how many calls of one user other than root and the user of
	// the service may wait, and CallMemoryPerUID how many bytes of them.
	CallsPerUID      = 512
	CallMemoryPerUID = 8 << 20
	// Calls is how many calls may wait in all, and CallMemory how many bytes of
	// them.
	Calls      = 4096
	CallMemory = 64 << 20
	// CallsAtOnce is how many are worked on at a time, and CallsAtOncePerUID
	// how many of one user. A call is not counted while it reads or writes the
	// store: that may take long, and is bounded by PastReadersPerUID.
	CallsAtOnce       = 32
	CallsAtOncePerUID = 6
	// Refused is how many bytes of refusals may wait for the bus to take them.
	// Beyond it callers do not even get an error.
	Refused = 1 << 20
	// BusTimeout is how long the bus itself may take to answer.
	BusTimeout = 10 * time.Second
)

// PingPause is how long a question waits that the bus has refused because too
// many are open.
const PingPause = 100 * time.Millisecond

// RefusalPause is the least time between two lines in the log about calls that
// were refused at one of these bounds.
const RefusalPause = 10 * time.Second

// D-Bus subscriptions and streams.
const (
	// SubscriptionsPerSender is how many subscriptions one connection may have,
	// SubscriptionsPerUID one user other than root and the user of the service,
	// and Subscriptions all users together.
	SubscriptionsPerSender = 64
	SubscriptionsPerUID    = 256
	Subscriptions          = 4096
	// Token is the longest token of a subscription in bytes.
	Token = 128
	// SignalWindow is how many bytes of signals are sent to a connection before
	// it is asked to show that it reads (org.freedesktop.DBus.Peer.Ping), and
	// SignalWindows how many such questions of one subscription may be open.
	// What a subscriber has not read lies in the bus, which drops messages, or
	// disconnects, when that is too much.
	SignalWindow  = 256 << 10
	SignalWindows = 2
	// PingsPerSender is how many questions to one connection may be open,
	// PingsPerUID to those of one user other than root and the user of the
	// service, and Pings to all: a dbus-daemon lets one connection wait for
	// 128 replies.
	PingsPerSender = 4
	PingsPerUID    = 32
	Pings          = 120
	// StreamsPerUID is how many streams one user other than root and the user
	// of the service may have open, and Streams all users together: each holds a
	// descriptor.
	StreamsPerUID = 32
	Streams       = 512
	// TrustedShare is the part of all subscriptions, and of all streams, that only
	// root and the user of the service can have: one in so many.
	TrustedShare = 8
)

// The pauses between tries to reach a bus that is not there.
const (
	BusBackoffFirst = 100 * time.Millisecond
	BusBackoffMost  = 15 * time.Second
)
