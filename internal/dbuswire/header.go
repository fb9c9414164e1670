package dbuswire

import (
	"encoding/binary"
	"slices"

	godbus "github.com/godbus/dbus/v5"
)

// Header is the header of a message.
type Header struct {
	order       binary.ByteOrder
	Kind        godbus.Type
	Flags       godbus.Flags
	Serial      uint32
	bodySize    int
	Path        string
	Interface   string
	Member      string
	ErrorName   string
	Sender      string
	Destination string
	Signature   string
	ReplySerial uint32
	Files       uint32 // descriptors that go with it; only used for sending
}

// fixedSize is the size of the fixed part of every message: the header up to and
// including the length of its fields.
const fixedSize = 16

// maxMessage is the length of the longest message that D-Bus allows.
const maxMessage = 1 << 27

// prologue reads the fixed part of a message. It returns the sizes of the header,
// including its padding, and of the body; ok is false if this is not a message.
func prologue(b []byte) (h Header, headerSize int, ok bool) {
	switch b[0] {
	case 'l':
		h.order = binary.LittleEndian
	case 'B':
		h.order = binary.BigEndian
	default:
		return h, 0, false
	}
	h.Kind, h.Flags = godbus.Type(b[1]), godbus.Flags(b[2])
	h.Serial = h.order.Uint32(b[8:])
	body, fields := uint64(h.order.Uint32(b[4:])), uint64(h.order.Uint32(b[12:]))
	padded := (fixedSize + fields + 7) &^ 7
	if b[3] != 1 || padded+body > maxMessage {
		return h, 0, false
	}
	h.bodySize = int(body)
	return h, int(padded), true
}

// ParseHeader reads the header of a message, which b must contain in full. It returns
// the lengths of header and body; ok is false if this is not a message.
func ParseHeader(b []byte) (h Header, headerSize, bodySize int, ok bool) {
	if len(b) < fixedSize {
		return h, 0, 0, false
	}
	h, headerSize, ok = prologue(b)
	if !ok || headerSize > len(b) || !h.parseFields(b[:headerSize]) {
		return h, 0, 0, false
	}
	return h, headerSize, h.bodySize, true
}

// fieldSignatures are the types of the header fields, by their number.
var fieldSignatures = [...]string{
	godbus.FieldPath: "o", godbus.FieldInterface: "s", godbus.FieldMember: "s", godbus.FieldErrorName: "s",
	godbus.FieldReplySerial: "u", godbus.FieldDestination: "s", godbus.FieldSender: "s", godbus.FieldSignature: "g",
	godbus.FieldUnixFDs: "u",
}

// parseFields reads the fields of a header, which follow its fixed part. It returns
// false if they are invalid.
func (h *Header) parseFields(b []byte) bool {
	const lengthAt = fixedSize - 4
	d := Decoder{b: b, at: lengthAt, order: h.order}
	end := d.array(8)
	for d.at < end && d.err == nil {
		d.align(8)
		h.parseField(&d)
	}
	return d.err == nil && d.at == end
}

func (h *Header) parseField(d *Decoder) {
	field, signature := d.Byte(), d.Signature()
	if d.err != nil {
		return
	}
	if int(field) >= len(fieldSignatures) || field == 0 {
		d.Skip(signature)
		return
	}
	if signature != fieldSignatures[field] {
		d.fail("a header field has the wrong type")
		return
	}
	switch godbus.HeaderField(field) {
	case godbus.FieldPath:
		h.Path = d.Text()
	case godbus.FieldInterface:
		h.Interface = d.Text()
	case godbus.FieldMember:
		h.Member = d.Text()
	case godbus.FieldErrorName:
		h.ErrorName = d.Text()
	case godbus.FieldReplySerial:
		h.ReplySerial = d.Uint32()
	case godbus.FieldDestination:
		h.Destination = d.Text()
	case godbus.FieldSender:
		h.Sender = d.Text()
	case godbus.FieldSignature:
		h.Signature = d.Signature()
	case godbus.FieldUnixFDs:
		d.Uint32()
	}
}

// The offsets in a message of what is filled in last.
const (
	bodySizeAt = 4
	serialAt   = 8
)

// NewMessage begins a message after the bytes in b: a header whose body size is to be
// filled in by FinishMessage. Empty fields are left out.
func NewMessage(b []byte, h *Header) Encoder {
	e := NewEncoder(b)
	e.Buf = append(e.Buf, 'l', byte(h.Kind), byte(h.Flags), 1)
	e.Uint32(0)
	e.Uint32(h.Serial)
	fields := e.Begin(8)
	e.field(godbus.FieldPath, h.Path)
	e.field(godbus.FieldInterface, h.Interface)
	e.field(godbus.FieldMember, h.Member)
	e.field(godbus.FieldErrorName, h.ErrorName)
	if h.ReplySerial != 0 {
		e.number(godbus.FieldReplySerial, h.ReplySerial)
	}
	e.field(godbus.FieldDestination, h.Destination)
	e.field(godbus.FieldSignature, h.Signature)
	if h.Files != 0 {
		e.number(godbus.FieldUnixFDs, h.Files)
	}
	e.End(fields)
	e.Align(8)
	return e
}

func (e *Encoder) field(field godbus.HeaderField, value string) {
	if value == "" {
		return
	}
	signature := fieldSignatures[field]
	e.Align(8)
	e.Byte(byte(field))
	e.Signature(signature)
	if signature == "g" {
		e.Signature(value)
	} else {
		e.Text(value)
	}
}

func (e *Encoder) number(field godbus.HeaderField, value uint32) {
	e.Align(8)
	e.Byte(byte(field))
	e.Signature("u")
	e.Uint32(value)
}

// FinishMessage fills in the body size and the serial of a message, which starts at the
// first byte.
func FinishMessage(message []byte, bodySize int, serial uint32) {
	binary.LittleEndian.PutUint32(message[bodySizeAt:], uint32(bodySize))
	binary.LittleEndian.PutUint32(message[serialAt:], serial)
}

// AppendMessage appends a whole message. The body may have been encoded anywhere: a
// body begins at a multiple of eight.
func AppendMessage(b []byte, h *Header, body []byte) []byte {
	start := len(b)
	e := NewMessage(slices.Grow(b, len(body)+256), h)
	e.Buf = append(e.Buf, body...)
	FinishMessage(e.Buf[start:], len(body), h.Serial)
	return e.Buf
}
