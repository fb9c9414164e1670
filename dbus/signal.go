package dbus

import (
	"encoding/binary"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// signal is what all event signals to one receiver have in common.
type signal struct {
	header []byte // of the message, complete except size and serial
}

// newSignal returns the signal of events on an object, to one connection or, if
// destination is empty, to a client that listens.
func newSignal(path, destination string) signal {
	e := dbuswire.NewMessage(nil, &dbuswire.Header{
		Kind: godbus.TypeSignal, Flags: godbus.FlagNoReplyExpected, Path: path, Interface: eventsInterface,
		Member: "Event", Destination: destination, Signature: eventSignature,
	})
	return signal{e.Buf}
}

// append appends the message for an event, for every listener.
func (s signal) append(b []byte, serial uint32, body []byte) []byte {
	start := len(b)
	b = append(append(b, s.header...), body...)
	dbuswire.FinishMessage(b[start:], len(body), serial)
	return b
}

// lastEntry is the entry "sequence" of the details, without its value. It begins and
// ends at a multiple of eight.
var lastEntry = func() []byte {
	e := dbuswire.NewEncoder(nil)
	e.Entry("sequence", "t")
	e.Align(8)
	return e.Buf
}()

// appendNumbered appends the message for an event with its number in the subscription.
// The details are the last part of the body.
func (s signal) appendNumbered(b []byte, serial uint32, body []byte, detailsAt int, sequence uint64) []byte {
	start := len(b)
	b = s.append(b, serial, body)
	end := len(b)
	for (len(b)-start-len(s.header))&7 != 0 {
		b = append(b, 0)
	}
	b = append(b, lastEntry...)
	b = binary.LittleEndian.AppendUint64(b, sequence)
	dbuswire.FinishMessage(b[start:], len(b)-start-len(s.header), serial)
	details := b[start+len(s.header)+detailsAt:]
	binary.LittleEndian.PutUint32(details, binary.LittleEndian.Uint32(details)+uint32(len(b)-end))
	return b
}
