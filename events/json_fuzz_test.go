package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// FuzzAppendJSON checks lines against what encoding/json writes for Podman's
// struct, which is what Podman does.
func FuzzAppendJSON(f *testing.F) {
	f.Add(true, 0, "id", "image", "name", "network", "died", int64(1795437717), int64(795029572), 3600, "container",
		"healthy", "log", 3, "error", "{}", "pod", uint8(2), "k", "v<>&", "l", "\u2028\xff")
	f.Add(false, 1, "", "", "", "", "refresh", int64(0), int64(0), 0, "system", "", "", 0, "", "", "", uint8(0), "", "", "", "")
	f.Add(true, -1, "", "", "", "", "s", int64(-1), int64(1), -43200, "t", "", "", -1, "", "", "", uint8(1), "", "", "", "")
	f.Add(true, -1, "", "", "", "", "", int64(-1), int64(1), -43200, "", "", "", -1, "", "", "", uint8(1), "", "", "", "")
	f.Add(false, 0, "", "", "", "", "s", int64(253402300800), int64(0), 0, "t", "", "", 0, "", "", "", uint8(0), "", "", "", "")
	f.Add(false, 0, "", "", "", "", "s", int64(-62135596800), int64(0), 86400, "t", "", "", 0, "", "", "", uint8(3), "", "", "", "")
	f.Fuzz(func(t *testing.T, hasCode bool, code int, id, image, name, network, status string, sec, nsec int64, offset int,
		typ, health, log string, streak int, failure, inspect, pod string, labels uint8, k1, v1, k2, v2 string,
	) {
		e := events.Event{
			ID: id, Image: image, Name: name, Network: network, Status: events.Status(status),
			Time: time.Unix(sec, nsec).In(time.FixedZone("", offset)), Type: events.Type(typ), HealthStatus: health,
			HealthLog: log, HealthFailingStreak: streak, Error: failure,
			Details: events.Details{ContainerInspectData: inspect, PodID: pod},
		}
		if hasCode {
			e.ContainerExitCode = &code
		}
		if labels > 0 {
			e.Attributes = make(map[string]string)
		}
		if labels > 1 {
			e.Attributes[k1] = v1
		}
		if labels > 2 {
			e.Attributes[k2] = v2
		}
		got, err := e.AppendJSON(nil)
		want, wantErr := json.Marshal(toPodman(&e))
		if blank := typ == "" || status == "" || e.Time.IsZero(); (err != nil) != (blank || wantErr != nil) {
			t.Fatalf("error is %v; blank: %t, encoding/json says %v", err, blank, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Errorf("written as\n%s, want\n%s", got, want)
		}
	})
}

// FuzzEventJSON checks the verdict and the fields of a line against what
// encoding/json says for Podman's struct, and that what is written is read
// back.
func FuzzEventJSON(f *testing.F) {
	for _, name := range sampleLogs {
		lines := samples(f, name)
		for i := 0; i < len(lines); i += 9 {
			f.Add([]byte(lines[i]))
		}
	}
	for _, line := range []string{
		``, `null`, `{}`, `[]`, `{"Type":"pod"}`,
		`{"type":"t","STATUS":"s","TIME":"2026-11-23T12:46:15.5+01:00","\u0049D":"a","id":"b","networK":"n","x":[1, 2]}`,
		`{"Type":"t","Status":"s","Time":"0000-01-01T00:00:00-23:59","Attributes":{"a":"b"},"Attributes":{"c":null}}`,
		`{"Type":"t","Status":"s","Time":"9999-12-31T23:59:59.9999999999Z","ContainerExitCode":-0,"Details":{"PodID":"x"}}`,
		"{\"Type\":\"t\",\"Status\":\"s\",\"Time\":\"2026-11-23T12:46:15Z\",\"a\xff\":1,\"a\xfe\":\"\xff\",\"health_log\":\"\xff\"}",
		`{"Type":"t","Status":"s","Time":"2026-11-23T12:46:15Z","Type":null,"Extra":{},"UID":1,"Cursor":"c","Host":"h"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var want podmanEvent
		wantErr := json.Unmarshal(line, &want)
		var blank error
		switch {
		case want.Type == "":
			blank = events.ErrEventTypeBlank
		case want.Status == "":
			blank = events.ErrEventStatusBlank
		case want.Time.IsZero():
			blank = events.ErrEventTimeBlank
		}
		if _, err := want.Time.MarshalText(); err != nil && wantErr == nil { // its zone can be read, but not written
			want.Time = want.Time.UTC()
			_, wantErr = want.Time.MarshalText()
		}

		var e events.Event
		err := e.UnmarshalJSON(line)
		if (err != nil) != (wantErr != nil || blank != nil) {
			t.Fatalf("error is %v; encoding/json says %v, and of what is blank %v", err, wantErr, blank)
		}
		if err != nil {
			if wantErr == nil && !errors.Is(err, blank) {
				t.Fatalf("error is %v, want %v", err, blank)
			}
			return
		}
		if got := toPodman(&e); !reflect.DeepEqual(got, want) {
			t.Fatalf("read  %+v,\nwant %+v", got, want)
		}
		if e.UID != nil || e.Host != "" || e.Cursor != "" {
			t.Fatalf("the line sets what is no member of it: %+v", e)
		}

		written, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		if bytes.ContainsAny(written, "\n\r") {
			t.Fatalf("written as more than one line: %q", written)
		}
		var again events.Event
		if err := again.UnmarshalJSON(written); err != nil {
			t.Fatalf("%s is not read back: %v", written, err)
		}
		if !again.Time.Equal(e.Time) {
			t.Fatalf("time %s is read back as %s", e.Time, again.Time)
		}
		names := slices.Sorted(maps.Keys(e.Extra))
		if !slices.Equal(slices.Sorted(maps.Keys(again.Extra)), names) {
			t.Fatalf("the unknown members %q are read back as %v", names, again.Extra)
		}
		for _, name := range names {
			if !reflect.DeepEqual(decoded(t, again.Extra[name]), decoded(t, e.Extra[name])) {
				t.Fatalf("member %q, %s, is read back as %s", name, e.Extra[name], again.Extra[name])
			}
		}
		a, b := toPodman(&e), toPodman(&again)
		a.Time, b.Time = time.Time{}, time.Time{}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\nis read back as %+v", a, b)
		}
		if twice, err := again.AppendJSON(nil); err != nil || !bytes.Equal(twice, written) {
			t.Fatalf("written as\n%s, and the second time as\n%s, %v", written, twice, err)
		}
	})
}

// decoded returns what a value is to encoding/json, numbers digit by digit.
func decoded(t testing.TB, value json.RawMessage) (v any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return v
}
