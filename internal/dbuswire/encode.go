package dbuswire

import "encoding/binary"

// Encoder appends values in the wire format of D-Bus, little-endian, aligned as if its
// first byte were that of a message body.
type Encoder struct {
	Buf  []byte // what has been encoded, after what was there before; the caller may truncate it
	base int
}

// NewEncoder begins a body after the bytes in b.
func NewEncoder(b []byte) Encoder { return Encoder{Buf: b, base: len(b)} }

// Size returns the length of the body in bytes.
func (e *Encoder) Size() int { return len(e.Buf) - e.base }

// Bytes returns the body.
func (e *Encoder) Bytes() []byte { return e.Buf[e.base:] }

// Align pads with zeros to a multiple of n, a power of two.
func (e *Encoder) Align(n int) {
	for e.Size()&(n-1) != 0 {
		e.Buf = append(e.Buf, 0)
	}
}

// Byte appends a byte.
func (e *Encoder) Byte(v byte) { e.Buf = append(e.Buf, v) }

// Uint32 appends a value of type u, or i.
func (e *Encoder) Uint32(v uint32) {
	e.Align(4)
	e.Buf = binary.LittleEndian.AppendUint32(e.Buf, v)
}

// Uint64 appends a value of type t, or x.
func (e *Encoder) Uint64(v uint64) {
	e.Align(8)
	e.Buf = binary.LittleEndian.AppendUint64(e.Buf, v)
}

// Bool appends a boolean.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Uint32(1)
	} else {
		e.Uint32(0)
	}
}

// Text appends a string, or an object path, that is valid UTF-8 without NUL.
func (e *Encoder) Text(s string) {
	e.Uint32(uint32(len(s)))
	e.Buf = append(append(e.Buf, s...), 0)
}

// Signature appends a signature.
func (e *Encoder) Signature(s string) {
	e.Buf = append(append(append(e.Buf, byte(len(s))), s...), 0)
}

// Texts appends an array of strings.
func (e *Encoder) Texts(list []string) {
	a := e.Begin(4)
	for _, s := range list {
		e.Text(s)
	}
	e.End(a)
}

// Entry begins an entry of a dictionary from strings to variants.
func (e *Encoder) Entry(key, signature string) {
	e.Align(8)
	e.Text(key)
	e.Signature(signature)
}

// Array is an array being encoded.
type Array struct {
	LengthAt int // where its length is in Encoder.Buf
	Start    int // where its first element is
}

// Begin begins an array whose elements are aligned to n.
func (e *Encoder) Begin(n int) Array {
	e.Uint32(0)
	length := len(e.Buf) - 4
	e.Align(n)
	return Array{length, len(e.Buf)}
}

// End ends an array, after its last element.
func (e *Encoder) End(a Array) {
	binary.LittleEndian.PutUint32(e.Buf[a.LengthAt:], uint32(len(e.Buf)-a.Start))
}
