//go:build systemd && cgo

package journald

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// fieldsOf lays out fields as a reader does.
func fieldsOf(lines string) []byte {
	var b []byte
	for _, field := range strings.Split(lines, "\n") {
		b = binary.NativeEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return b
}

// FuzzEntry reads whatever fields an entry has, one a line.
func FuzzEntry(f *testing.F) {
	f.Add("PODMAN_EVENT=died\nPODMAN_TYPE=container\nPODMAN_TIME=2026-11-23T12:46:15.752682276Z\nPODMAN_ID=ab\nPODMAN_EXIT_CODE=0\n_UID=1000\n_HOSTNAME=a")
	f.Add("PODMAN_EVENT=create\nPODMAN_TYPE=volume\nPODMAN_TIME=2026-11-23T12:46:15Z\nPODMAN_LABELS={\"a\":\"b\"}\nPODMAN_NAME=\nPODMAN_NAME=x")
	f.Add("PODMAN_\n=\n_UID=-1\nERROR=x\nPODMAN_TIME=never\nPODMAN_TYPE=\x00")
	f.Fuzz(func(t *testing.T, lines string) {
		var d decoder
		var rec store.Record
		d.read(fieldsOf(lines))
		if !d.isEvent {
			return
		}
		b, _, err := d.record(nil, true, &rec)
		if err != nil {
			if len(b) > 0 {
				t.Errorf("%v, and %q", err, b)
			}
			return
		}
		var e events.Event
		if err := json.Unmarshal(rec.Line, &e); err != nil {
			t.Fatalf("%q: %v", rec.Line, err)
		}
		got := rec.Event()
		if !got.Time.Equal(e.Time) || got.ID != e.ID || got.Name != e.Name || got.Type != e.Type || got.Status != e.Status || len(got.Attributes) != len(e.Attributes) {
			t.Errorf("%q is %+v and %+v", rec.Line, got, e)
		}
		if rec.UID >= 0 && rec.UID > 1<<32-1 {
			t.Errorf("the user is %d", rec.UID)
		}
	})
}

func FuzzCursor(f *testing.F) {
	k := sdjournal.Key{Monotonic: 1, Realtime: 2, Hash: 3}
	f.Add(string(appendCursor(nil, kindAfter, &k, 0)))
	f.Add(string(appendCursor(nil, kindBefore, &k, 7)))
	f.Add("j")
	f.Fuzz(func(t *testing.T, text string) {
		tryCursor(t, text)
		// The same with a right check, which any program can make and no fuzzer guesses.
		if at := 2 + keyLength; len(text) >= at+checkLength {
			for twin := range uint32(3) {
				sum := check([]byte(text[:at]), twin)
				tryCursor(t, text[:at]+string(sum[:])+text[at+checkLength:])
			}
		}
	})
}

func tryCursor(t *testing.T, text string) {
	c, err := parseCursor(text)
	if err != nil {
		var bad *events.CursorError
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v", text, err)
		}
		return
	}
	if again := string(appendCursor(nil, c.kind, &c.key, c.twin)); again != text || len(text) > 255 {
		t.Errorf("%q was understood as %q", text, again)
	}
}
