package dbuswire

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/pkg/errors"
)

// Decoder reads values in the wire format of D-Bus. It keeps the first error in err;
// from then on everything read is zero. It never reads beyond the data, and allocates
// little more than their size.
type Decoder struct {
	b     []byte
	at    int
	order binary.ByteOrder
	err   error
}

// NewDecoder returns a decoder of a message body in little-endian order.
func NewDecoder(body []byte) *Decoder { return &Decoder{b: body, order: binary.LittleEndian} }

func (d *Decoder) fail(reason string) {
	if d.err == nil {
		d.err = errors.New(reason)
	}
}

// take returns the next n bytes, nil if there are fewer.
func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.b)-d.at {
		d.fail("the message ends too early")
		return nil
	}
	d.at += n
	return d.b[d.at-n : d.at : d.at]
}

// align skips padding, which must be zeros.
func (d *Decoder) align(n int) {
	for _, pad := range d.take(-d.at & (n - 1)) {
		if pad != 0 {
			d.fail("padding is not zero")
		}
	}
}

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads a value of type q, or n.
func (d *Decoder) Uint16() uint16 {
	d.align(2)
	if b := d.take(2); b != nil {
		return d.order.Uint16(b)
	}
	return 0
}

// Uint32 reads a value of type u, or i.
func (d *Decoder) Uint32() uint32 {
	d.align(4)
	if b := d.take(4); b != nil {
		return d.order.Uint32(b)
	}
	return 0
}

// Uint64 reads a value of type t, or x.
func (d *Decoder) Uint64() uint64 {
	d.align(8)
	if b := d.take(8); b != nil {
		return d.order.Uint64(b)
	}
	return 0
}

// Bool reads a boolean.
func (d *Decoder) Bool() bool {
	v := d.Uint32()
	if v > 1 {
		d.fail("a boolean is neither 0 nor 1")
	}
	return v == 1
}

// Text reads a string, or an object path.
func (d *Decoder) Text() string { return d.text(int(d.Uint32())) }

// Signature reads a signature.
func (d *Decoder) Signature() string { return d.text(int(d.Byte())) }

// text reads n bytes of text and the NUL after them.
func (d *Decoder) text(n int) string {
	b := d.take(n)
	if end := d.take(1); end == nil || end[0] != 0 {
		d.fail("a string has no end")
		return ""
	}
	s := string(b)
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		d.fail("a string is not UTF-8, or has a NUL character")
		return ""
	}
	return s
}

// maxArray is the longest array that D-Bus allows in bytes.
const maxArray = 1 << 26

// array reads the length of an array whose elements are aligned to n. It returns where
// the array ends.
func (d *Decoder) array(n int) (end int) {
	size := d.Uint32()
	d.align(n)
	if d.err != nil {
		return d.at
	}
	if size > maxArray || int(size) > len(d.b)-d.at {
		d.fail("an array is longer than the message")
		return d.at
	}
	return d.at + int(size)
}

// Texts reads an array of strings. It skips those beyond most.
func (d *Decoder) Texts(most int) []string {
	var list []string
	for end := d.array(4); d.at < end && d.err == nil; {
		if len(list) == most {
			d.take(end - d.at)
			break
		}
		list = append(list, d.Text())
		if d.at > end {
			d.fail("an array ends within an element")
		}
	}
	return list
}

// Dictionary reads a dictionary whose keys are strings, and calls value for each of its
// entries, which has to read the value. A repeated key is an error.
func (d *Decoder) Dictionary(value func(key string)) {
	seen := make(map[string]bool)
	for end := d.array(8); d.at < end && d.err == nil; {
		d.align(8)
		key := d.Text()
		if d.err != nil {
			return
		}
		if seen[key] {
			d.fail("a dictionary has the same key twice")
			return
		}
		seen[key] = true
		value(key)
		if d.at > end {
			d.fail("an array ends within an element")
		}
	}
}

// Done returns nil if everything was read without an error, otherwise an error for the
// caller.
func (d *Decoder) Done() error {
	if d.err == nil && d.at != len(d.b) {
		d.fail("there is more in the message than its signature says")
	}
	if d.err != nil {
		return wrongBody(d.err)
	}
	return nil
}

// maxDepth is how deeply nested a skipped value may be.
const maxDepth = 32

// Skip reads one value of any type.
func (d *Decoder) Skip(signature string) {
	if rest := d.skipOne(signature, 0); rest != "" {
		d.fail("a variant holds more than one value")
	}
}

// skipOne skips a value of the first type of the signature and returns the rest of the
// signature. Arrays are skipped as a whole, so that the time is bounded by the
// message's length.
func (d *Decoder) skipOne(signature string, depth int) (rest string) {
	if signature == "" || depth > maxDepth {
		d.fail("a signature is not complete, or nested too deep")
	}
	if d.err != nil {
		return ""
	}
	rest = signature[1:]
	switch signature[0] {
	case 'y':
		d.take(1)
	case 'n', 'q':
		d.Uint16()
	case 'b', 'i', 'u', 'h':
		d.Uint32()
	case 'x', 't', 'd':
		d.Uint64()
	case 's', 'o':
		d.take(int(d.Uint32()) + 1)
	case 'g':
		d.take(int(d.Byte()) + 1)
	case 'v':
		if inner := d.skipOne(d.Signature(), depth+1); inner != "" {
			d.fail("a variant holds more than one value")
		}
	case 'a':
		element, after, ok := firstType(rest, 0)
		if !ok {
			d.fail("a signature is not complete")
			return ""
		}
		end := d.array(alignment(element[0]))
		d.take(end - d.at)
		return after
	case '(', '{':
		d.align(8)
		for d.err == nil && rest != "" && rest[0] != ')' && rest[0] != '}' {
			rest = d.skipOne(rest, depth+1)
		}
		if rest == "" {
			d.fail("a signature is not complete")
			return ""
		}
		return rest[1:]
	default:
		d.fail("a signature has an unknown type")
	}
	return rest
}

// alignment returns the alignment of a type, by its first letter.
func alignment(letter byte) int {
	switch letter {
	case 'y', 'g', 'v':
		return 1
	case 'n', 'q':
		return 2
	case 'x', 't', 'd', '(', '{':
		return 8
	}
	return 4
}

// firstType splits a signature after its first complete type.
func firstType(signature string, depth int) (first, rest string, ok bool) {
	if signature == "" || depth > maxDepth {
		return "", "", false
	}
	switch signature[0] {
	case 'a':
		element, after, ok := firstType(signature[1:], depth+1)
		return signature[:1+len(element)], after, ok
	case '(', '{':
		rest = signature[1:]
		for rest != "" && rest[0] != ')' && rest[0] != '}' {
			if _, rest, ok = firstType(rest, depth+1); !ok {
				return "", "", false
			}
		}
		if rest == "" {
			return "", "", false
		}
		return signature[:len(signature)-len(rest)+1], rest[1:], true
	}
	return signature[:1], signature[1:], strings.IndexByte("ybnqiuxtdsogvh", signature[0]) >= 0
}
