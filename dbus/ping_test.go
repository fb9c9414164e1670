package dbus

import (
	"encoding/binary"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/test/buspolicy"
)

// A bus that refuses pings has not shown that the subscriber reads.
func TestSubscribe_busRefusesPings(t *testing.T) {
	// It keeps account of a few calls, and drops what it cannot hold: much less than what is sent here.
	r := newRig(t, startDaemon(t, buspolicy.Session+
		`<limit name="max_replies_per_connection">5</limit><limit name="max_outgoing_bytes">1500000</limit>`))
	const count = 8_000
	r.write(eventRange(0, count)...)
	monitor := connectRaw(t, r.daemon.Path)
	monitor.send(&dbuswire.Header{
		Kind: godbus.TypeMethodCall, Path: "/org/freedesktop/DBus", Interface: "org.freedesktop.DBus" + ".Monitoring", Member: "BecomeMonitor",
		Destination: "org.freedesktop.DBus", Signature: "asu",
	}, func() []byte {
		e := dbuswire.NewEncoder(nil)
		e.Texts([]string{"type='error'"})
		e.Uint32(0)
		return e.Bytes()
	}())
	stalled := make([]*rawClient, 3)
	for i := range stalled {
		stalled[i] = connectRaw(t, r.daemon.Path)
		stalled[i].subscribeAll()
	}
	// As long as the bus refuses, nothing is sent.
	for refused := 0; refused < 12; {
		if h, _ := monitor.read(); h.ErrorName == dbuswire.ErrLimitsExceeded && h.Destination == r.server.Conn().Unique() {
			refused++
		}
	}
	for i, s := range stalled {
		for sequence := uint64(0); sequence < count; {
			h, body := s.read()
			switch {
			case h.Kind == godbus.TypeMethodCall:
				s.answerPing(h)
			case h.Kind == godbus.TypeSignal && h.Member == "Event":
				sequence++
				if got := binary.LittleEndian.Uint64(body[len(body)-8:]); got != sequence {
					t.Fatalf("signal %d of subscriber %d has the number %d", sequence, i, got)
				}
			}
		}
	}
}
