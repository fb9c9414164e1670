package dbuswire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

type dict = map[string]godbus.Variant

func v(x any) godbus.Variant { return godbus.MakeVariant(x) }

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
	message := AppendMessage(nil, &Header{
		Kind: godbus.TypeMethodCall, Serial: 1, Path: "/", Member: "M", Signature: signature,
	}, body)
	if order == binary.BigEndian {
		// Only the body is in the other order: the header is made again.
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
		d := &Decoder{b: body, order: order}
		filters := d.Texts(256)
		got := make(map[string]Value)
		d.Dictionary(func(key string) { got[key] = d.Variant() })
		if d.Done() != nil {
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
func looseInGodbus(values map[string]Value) bool {
	for _, v := range values {
		if !reflect.DeepEqual(v, Value{Signature: v.Signature}) {
			continue
		}
		switch v.Signature {
		case "s", "b", "y", "n", "q", "i", "u", "x", "t", "a{ss}":
		default:
			return true
		}
	}
	// A path is any string here; nothing takes one as an option.
	for _, v := range values {
		if v.Signature == "o" {
			return true
		}
	}
	return false
}

func compare(t *testing.T, got Value, want godbus.Variant) {
	t.Helper()
	if got.Signature != want.Signature().String() {
		t.Fatalf("got type %s, want %s", got.Signature, want.Signature())
	}
	var same bool
	switch w := want.Value().(type) {
	case string:
		same = got.Text == w
	case bool:
		same = got.Truth == w
	case uint64:
		same = got.big == w
	case byte, int16, uint16, int32, uint32, int64:
		same = fmt.Sprint(got.number) == fmt.Sprint(w)
	case map[string]string:
		same = len(w) == len(got.Labels) && (len(w) == 0 || reflect.DeepEqual(got.Labels, w))
	default:
		same = true
	}
	if !same {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// FuzzHeader holds the reading of headers against that of godbus.
func FuzzHeader(f *testing.F) {
	f.Add(AppendMessage(nil, &Header{
		Kind: godbus.TypeMethodCall, Serial: 7, Path: "/io/podman/Events1", Interface: "io.podman.Events1", Member: "GetEvents",
		Destination: ":1.5", Signature: "asa{sv}", Files: 3,
	}, nil))
	f.Add(AppendMessage(nil, &Header{Kind: godbus.TypeError, Serial: 1, ErrorName: ErrFailed, ReplySerial: 9, Signature: "s"}, nil))
	f.Fuzz(func(t *testing.T, message []byte) {
		h, _, bodySize, ok := ParseHeader(message)
		if !ok || bodySize != 0 {
			return
		}
		m, err := godbus.DecodeMessage(bytes.NewReader(message))
		if err != nil {
			return // it checks names, which the bus has done
		}
		for field, got := range map[godbus.HeaderField]string{
			godbus.FieldPath: h.Path, godbus.FieldInterface: h.Interface, godbus.FieldMember: h.Member,
			godbus.FieldDestination: h.Destination, godbus.FieldErrorName: h.ErrorName, godbus.FieldSignature: h.Signature,
		} {
			if want, ok := m.Headers[field]; ok && fmt.Sprint(want.Value()) != got && want.Signature().String() != "g" {
				t.Fatalf("field %d: got %q, want %v", field, got, want)
			}
		}
	})
}
