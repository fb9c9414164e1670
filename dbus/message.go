package dbus

import (
	"encoding/binary"
	"slices"

	godbus "github.com/godbus/dbus/v5"
)

// header is the header of a message that was received.
type header struct {
	order       binary.ByteOrder
	kind        godbus.Type
	flags       godbus.Flags
	serial      uint32
	bodySize    int
	path        string
	iface       string
	member      string
	errorName   string
	sender      string
	destination string
	signature   string
	replySerial uint32
	files       uint32 // descriptors that go with it; only for sending
}

// fixedSize is the size of what every message begins with: the header up to and
// with the length of its fields.
const fixedSize = 16

// maxMessage is the longest message that D-Bus allows.
const maxMessage = 1 << 27

// prologue reads what every message begins with. It returns the sizes of the
// header, its padding included, and of the body, and false if this is no
// message.
func prologue(b []byte) (h header, headerSize int, ok bool) {
	switch b[0] {
	case 'l':
		h.order = binary.LittleEndian
	case 'B':
		h.order = binary.BigEndian
	default:
		return h, 0, false
	}
	h.kind, h.flags = godbus.Type(b[1]), godbus.Flags(b[2])
	h.serial = h.order.Uint32(b[8:])
	body, fields := uint64(h.order.Uint32(b[4:])), uint64(h.order.Uint32(b[12:]))
	padded := (fixedSize + fields + 7) &^ 7
	if b[3] != 1 || padded+body > maxMessage {
		return h, 0, false
	}
	h.bodySize = int(body)
	return h, int(padded), true
}

// fieldSignatures are the types of the header fields, by their number.
var fieldSignatures = [...]string{
	godbus.FieldPath: "o", godbus.FieldInterface: "s", godbus.FieldMember: "s", godbus.FieldErrorName: "s",
	godbus.FieldReplySerial: "u", godbus.FieldDestination: "s", godbus.FieldSender: "s", godbus.FieldSignature: "g",
	godbus.FieldUnixFDs: "u",
}

// parseFields reads the fields of a header, which begin behind its fixed part.
// It returns false if they are not as D-Bus wants them.
func (h *header) parseFields(b []byte) bool {
	const lengthAt = fixedSize - 4
	d := decoder{b: b, at: lengthAt, order: h.order}
	end := d.array(8)
	for d.at < end && d.err == nil {
		d.align(8)
		h.parseField(&d)
	}
	return d.err == nil && d.at == end
}

func (h *header) parseField(d *decoder) {
	field, signature := d.byte(), d.signature()
	if d.err != nil {
		return
	}
	if int(field) >= len(fieldSignatures) || field == 0 {
		d.skip(signature)
		return
	}
	if signature != fieldSignatures[field] {
		d.fail("a header field has the wrong type")
		return
	}
	switch godbus.HeaderField(field) {
	case godbus.FieldPath:
		h.path = d.string()
	case godbus.FieldInterface:
		h.iface = d.string()
	case godbus.FieldMember:
		h.member = d.string()
	case godbus.FieldErrorName:
		h.errorName = d.string()
	case godbus.FieldReplySerial:
		h.replySerial = d.uint32()
	case godbus.FieldDestination:
		h.destination = d.string()
	case godbus.FieldSender:
		h.sender = d.string()
	case godbus.FieldSignature:
		h.signature = d.signature()
	case godbus.FieldUnixFDs:
		d.uint32()
	}
}

// The places in a message that are filled in last.
const (
	bodySizeAt = 4
	serialAt   = 8
)

// newMessage begins a message: a header whose body size and serial are still
// to be filled in, by finish. Fields that are empty are left out.
func newMessage(b []byte, h *header) encoder {
	e := newEncoder(b)
	e.b = append(e.b, 'l', byte(h.kind), byte(h.flags), 1)
	e.uint32(0)
	e.uint32(h.serial)
	fields := e.begin(8)
	e.field(godbus.FieldPath, h.path)
	e.field(godbus.FieldInterface, h.iface)
	e.field(godbus.FieldMember, h.member)
	e.field(godbus.FieldErrorName, h.errorName)
	if h.replySerial != 0 {
		e.number(godbus.FieldReplySerial, h.replySerial)
	}
	e.field(godbus.FieldDestination, h.destination)
	e.field(godbus.FieldSignature, h.signature)
	if h.files != 0 {
		e.number(godbus.FieldUnixFDs, h.files)
	}
	e.end(fields)
	e.align(8)
	return e
}

func (e *encoder) field(field godbus.HeaderField, value string) {
	if value == "" {
		return
	}
	signature := fieldSignatures[field]
	e.align(8)
	e.byte(byte(field))
	e.signature(signature)
	if signature == "g" {
		e.signature(value)
	} else {
		e.string(value)
	}
}

func (e *encoder) number(field godbus.HeaderField, value uint32) {
	e.align(8)
	e.byte(byte(field))
	e.signature("u")
	e.uint32(value)
}

// appendMessage appends a whole message. The body may have been encoded
// anywhere: a body begins at a multiple of eight.
func appendMessage(b []byte, h *header, body []byte) []byte {
	start := len(b)
	e := newMessage(slices.Grow(b, len(body)+256), h)
	e.b = append(e.b, body...)
	binary.LittleEndian.PutUint32(e.b[start+bodySizeAt:], uint32(len(body)))
	return e.b
}
