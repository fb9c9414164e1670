package dbuswire

import (
	"maps"
	"slices"
	"strings"
)

// Value is the value of a variant, of one of the types that Variant reads.
type Value struct {
	Signature string
	Text      string            // of s and o
	Truth     bool              // of b
	Labels    map[string]string // of a{ss}
	number    int64             // of every integer type except t
	big       uint64            // of t
}

// Variant reads a variant. Values of types other than those of Value are skipped.
func (d *Decoder) Variant() Value {
	v := Value{Signature: d.Signature()}
	switch v.Signature {
	case "s", "o":
		v.Text = d.Text()
	case "b":
		v.Truth = d.Bool()
	case "y":
		v.number = int64(d.Byte())
	case "n":
		v.number = int64(int16(d.Uint16()))
	case "q":
		v.number = int64(d.Uint16())
	case "i":
		v.number = int64(int32(d.Uint32()))
	case "u":
		v.number = int64(d.Uint32())
	case "x":
		v.number = int64(d.Uint64())
	case "t":
		v.big = d.Uint64()
	case "a{ss}":
		v.Labels = make(map[string]string)
		d.Dictionary(func(key string) { v.Labels[key] = d.Text() })
	default:
		d.Skip(v.Signature)
	}
	return v
}

// isInteger reports whether the value is of an integer type.
func (v *Value) isInteger() bool {
	return len(v.Signature) == 1 && strings.Contains("ynqiuxt", v.Signature)
}

// Integer returns the value of an integer type; false if it is out of the range.
func (v *Value) Integer(least, most int64) (int64, bool) {
	n := v.number
	if v.Signature == "t" {
		n = int64(min(v.big, 1<<63-1))
	}
	return n, n >= least && n <= most
}

// Values are the entries of a call's dictionary of type a{sv}.
type Values map[string]Value

// AnyInteger means every integer type in a table of options.
const AnyInteger = "integer"

// Options reads a dictionary of options; what is its name in errors. The table has the
// valid options with their types; any other option is an error.
func (d *Decoder) Options(what string, table map[string]string) (Values, error) {
	o := make(Values)
	var wrong error
	d.Dictionary(func(key string) {
		v := d.Variant()
		signature, known := table[key]
		switch {
		case wrong != nil || d.err != nil:
		case !known:
			wrong = InvalidArgs("there is no " + what + " '" + Shorten(key) + "'; there are " +
				strings.Join(slices.Sorted(maps.Keys(table)), ", "))
		case signature == AnyInteger && !v.isInteger():
			wrong = InvalidArgs(what + " '" + key + "' must be an integer, such as u")
		case signature != AnyInteger && signature != v.Signature:
			wrong = InvalidArgs(what + " '" + key + "' must have the type " + signature)
		default:
			o[key] = v
		}
	})
	if d.err != nil {
		return nil, wrongBody(d.err)
	}
	return o, wrong
}
