package dbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// encodeBody encodes arguments as godbus does.
func encodeBody(t testing.TB, order binary.ByteOrder, args ...any) []byte {
	m := &godbus.Message{Type: godbus.TypeMethodCall, Body: args, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldPath: v(godbus.ObjectPath("/")), godbus.FieldMember: v("M"), godbus.FieldSignature: v(godbus.SignatureOf(args...)),
	}}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, order); err != nil {
		t.Fatal(err)
	}
	h, size, _ := prologue(b.Bytes()[:fixedSize])
	return b.Bytes()[size : size+h.bodySize]
}

// referenceOf decodes a body as godbus does, nil if it refuses to.
func referenceOf(signature string, order binary.ByteOrder, body []byte) []any {
	message := appendMessage(nil, &header{
		kind: godbus.TypeMethodCall, serial: 1, path: "/", member: "M", signature: signature,
	}, body)
	if order == binary.BigEndian {
		// Only the body is in the other order: the header is made anew.
		m := &godbus.Message{Type: godbus.TypeMethodCall, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldPath: v(godbus.ObjectPath("/")), godbus.FieldMember: v("M"),
			godbus.FieldSignature: v(godbus.ParseSignatureMust(signature)),
		}}
		var b bytes.Buffer
		_ = m.EncodeTo(&b, order)
		message = append(b.Bytes(), body...)
		order.PutUint32(message[bodySizeAt:], uint32(len(body)))
	}
	m, err := godbus.DecodeMessage(bytes.NewReader(message))
	if err != nil {
		return nil
	}
	return m.Body
}

// FuzzArguments holds the decoding of arguments against that of godbus: it
// never panics, and what it accepts godbus accepts with the same values.
func FuzzArguments(f *testing.F) {
	options := dict{
		"since": v("now"), "limit": v(uint64(3)), "from_start": v(true), "attributes": v(map[string]string{"a": "b"}),
		"exit_code": v(int32(-7)), "other": v([]any{v(1.5), []string{"x"}}), "byte": v(byte(3)), "short": v(int16(-3)),
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(encodeBody(f, order, []string{"type=container", ""}, options), order == binary.BigEndian)
		f.Add(encodeBody(f, order, []string{}, dict{}), order == binary.BigEndian)
		f.Add(encodeBody(f, order, []string{"ä"}, dict{"x": v(v(v("deep")))}), order == binary.BigEndian)
	}
	f.Fuzz(func(t *testing.T, body []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		d := &decoder{b: body, order: order}
		filters := d.strings(256)
		got := make(map[string]value)
		d.dictionary(func(key string) { got[key] = d.variant() })
		if d.done() != nil {
			return
		}
		reference := referenceOf("asa{sv}", order, body)
		if reference == nil {
			if looseInGodbus(got) {
				return
			}
			t.Fatalf("godbus refuses what gives %q and %v", filters, got)
		}
		if fmt.Sprint(filters) != fmt.Sprint(reference[0]) {
			t.Fatalf("got %q, want %v", filters, reference)
		}
		if looseInGodbus(got) { // godbus reads beyond the end of an array whose last element is longer than it
			return
		}
		if len(got) != len(reference[1].(dict)) {
			t.Fatalf("got %v, want %v", got, reference)
		}
		for key, want := range reference[1].(dict) {
			compare(t, got[key], want)
		}
	})
}

// looseInGodbus reports whether there are values that are not looked into here,
// and so may be wrong inside.
func looseInGodbus(values map[string]value) bool {
	for _, v := range values {
		if !reflect.DeepEqual(v, value{signature: v.signature}) {
			continue
		}
		switch v.signature {
		case "s", "b", "y", "n", "q", "i", "u", "x", "t", "a{ss}":
		default:
			return true
		}
	}
	// A path is any string here; nothing takes one as an option.
	for _, v := range values {
		if v.signature == "o" {
			return true
		}
	}
	return false
}

func compare(t *testing.T, got value, want godbus.Variant) {
	t.Helper()
	if got.signature != want.Signature().String() {
		t.Fatalf("got type %s, want %s", got.signature, want.Signature())
	}
	var same bool
	switch w := want.Value().(type) {
	case string:
		same = got.text == w
	case bool:
		same = got.truth == w
	case uint64:
		same = got.big == w
	case byte, int16, uint16, int32, uint32, int64:
		same = fmt.Sprint(got.number) == fmt.Sprint(w)
	case map[string]string:
		same = len(w) == len(got.labels) && (len(w) == 0 || reflect.DeepEqual(got.labels, w))
	default:
		same = true
	}
	if !same {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// FuzzHeader holds the reading of headers against that of godbus.
func FuzzHeader(f *testing.F) {
	f.Add(appendMessage(nil, &header{
		kind: godbus.TypeMethodCall, serial: 7, path: eventsPath, iface: eventsInterface, member: "GetEvents",
		destination: ":1.5", signature: "asa{sv}", files: 3,
	}, nil))
	f.Add(appendMessage(nil, &header{kind: godbus.TypeError, serial: 1, errorName: errFailed, replySerial: 9, signature: "s"}, nil))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) < fixedSize {
			return
		}
		h, size, ok := prologue(message)
		if !ok || size > len(message) || h.bodySize != 0 || !h.parseFields(message[:size]) {
			return
		}
		m, err := godbus.DecodeMessage(bytes.NewReader(message))
		if err != nil {
			return // it checks names, which the bus has done
		}
		for field, got := range map[godbus.HeaderField]string{
			godbus.FieldPath: h.path, godbus.FieldInterface: h.iface, godbus.FieldMember: h.member,
			godbus.FieldDestination: h.destination, godbus.FieldErrorName: h.errorName, godbus.FieldSignature: h.signature,
		} {
			if want, ok := m.Headers[field]; ok && fmt.Sprint(want.Value()) != got && want.Signature().String() != "g" {
				t.Fatalf("field %d: got %q, want %v", field, got, want)
			}
		}
	})
}
