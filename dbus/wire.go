package dbus

import "encoding/binary"

// encoder appends values in the wire format of D-Bus, little-endian. What it
// appends is aligned as if the first byte were that of a message body.
type encoder struct {
	b    []byte
	base int
}

// newEncoder begins a body behind what is in b.
func newEncoder(b []byte) encoder { return encoder{b: b, base: len(b)} }

// size is how long the body is.
func (e *encoder) size() int { return len(e.b) - e.base }

// bytes is the body.
func (e *encoder) bytes() []byte { return e.b[e.base:] }

// align pads with zeros to a multiple of n, a power of two.
func (e *encoder) align(n int) {
	for e.size()&(n-1) != 0 {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) byte(v byte) { e.b = append(e.b, v) }

func (e *encoder) uint32(v uint32) {
	e.align(4)
	e.b = binary.LittleEndian.AppendUint32(e.b, v)
}

func (e *encoder) uint64(v uint64) {
	e.align(8)
	e.b = binary.LittleEndian.AppendUint64(e.b, v)
}

func (e *encoder) bool(v bool) {
	if v {
		e.uint32(1)
	} else {
		e.uint32(0)
	}
}

// string appends a string, or an object path, that is valid UTF-8 without NUL.
func (e *encoder) string(s string) {
	e.uint32(uint32(len(s)))
	e.b = append(append(e.b, s...), 0)
}

func (e *encoder) signature(s string) {
	e.b = append(append(append(e.b, byte(len(s))), s...), 0)
}

// strings appends an array of strings.
func (e *encoder) strings(list []string) {
	a := e.begin(4)
	for _, s := range list {
		e.string(s)
	}
	e.end(a)
}

// entry begins an entry of a dictionary from strings to variants.
func (e *encoder) entry(key, signature string) {
	e.align(8)
	e.string(key)
	e.signature(signature)
}

// array is an array that has been begun.
type array struct{ length, start int } // places in encoder.b

// begin begins an array whose elements are aligned to n.
func (e *encoder) begin(n int) array {
	e.uint32(0)
	length := len(e.b) - 4
	e.align(n)
	return array{length, len(e.b)}
}

// end ends an array: all elements have been appended.
func (e *encoder) end(a array) {
	binary.LittleEndian.PutUint32(e.b[a.length:], uint32(len(e.b)-a.start))
}
