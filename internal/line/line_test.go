package line

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// lines returns the lines of the real logs.
func lines(tb testing.TB) [][]byte {
	tb.Helper()
	paths, err := filepath.Glob("../../events/testdata/*.log")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("cannot find the sample logs: %v", err)
	}
	var all [][]byte
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			all = append(all, append([]byte(nil), s.Bytes()...))
		}
		_ = f.Close()
	}
	return all
}

// Every real line is scanned without help.
func TestScan_realLines(t *testing.T) {
	for _, b := range lines(t) {
		var f Fields
		if !Scan(b, &f) {
			t.Errorf("Scan refuses %s", b)
			continue
		}
		compare(t, b, b, &f)
	}
}

// compare holds what was scanned against encoding/json.
func compare(t *testing.T, original, b []byte, f *Fields) {
	t.Helper()
	var want events.Event
	if err := json.Unmarshal(original, &want); err != nil {
		t.Fatalf("Scan takes %q, encoding/json does not: %v", original, err)
	}
	got := f.Event(b)
	if !got.Time.Equal(want.Time) || f.Time != nanos.Of(want.Time) {
		t.Fatalf("time of %q is %v, %d", original, got.Time, f.Time)
	}
	got.Time, want.Time = time.Time{}, time.Time{}
	if len(got.Attributes) == 0 && len(want.Attributes) == 0 {
		got.Attributes, want.Attributes = nil, nil
	}
	if len(b) != len(original) || &b[0] != &original[0] {
		dropNUL(&want)
		got.Extra, want.Extra = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("Scan of %q\n got %+v\nwant %+v", original, got, want)
	}
	if f.Type != filter.CodeOfType(want.Type) || f.Status != filter.CodeOfStatus(want.Status) {
		t.Fatalf("codes of %q are %d, %d", original, f.Type, f.Status)
	}
}

// Labels of any name and number are read.
func TestScan_labels(t *testing.T) {
	many := make(map[string]string)
	for i := range 100 {
		many[fmt.Sprintf("label-%d", i)] = "x"
	}
	for _, labels := range []map[string]string{
		{`<&> "quoted"`: "v", `back\slash`: "w"}, {"\u2028": "", "": "empty"}, many,
	} {
		e := events.Event{Type: events.Container, Status: events.Create, Time: time.Unix(1, 0).UTC(), Details: events.Details{Attributes: labels}}
		b, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var f Fields
		if !Scan(b, &f) {
			t.Fatalf("Scan refuses %s", b)
		}
		compare(t, b, b, &f)
	}
	var f Fields
	twice := []byte(`{"Status":"a","Time":"2026-01-01T00:00:00Z","Type":"b","Attributes":{"a":"1","\u0061":"2"}}`)
	if Scan(twice, &f) {
		t.Error("Scan takes a label that comes twice")
	}
	normal, err := Normalize(twice, &f)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, twice, normal, &f)
}

func FuzzScan(f *testing.F) {
	for _, b := range lines(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"Type":"x","Status":"y","Time":"2026-01-01T00:00:00Z","new":[{"a":1}],"Attributes":{"a":"\u00e9\ud83d\ude00"}}`))
	f.Add([]byte(`{"type":"x","Status":"\u0000","Time":"9999-01-01T00:00:00Z","ID":"é\xff","ContainerExitCode":-0}`))
	f.Add([]byte(` { "Type" : "x" , "Status" : "y" , "Time" : "2026-01-01T00:00:00Z" , "Attributes" : { } } `))
	f.Add([]byte(`{"Type":"x","Status":"y","Time":"2026-01-01T00:00:00Z","Attributes":{"\u003c":"a","<":"b","a\"b":"\\"}}`))
	f.Add([]byte(`{"IDs":"1","Imag":"2","Named":"3","Types":"4","T":"5","ID" :"6","Type":"x","Status":"y","Time":"2026-01-01T00:00:00.123456789+02:00"}`))
	f.Add([]byte(`{"Type":"","Status":"y","Time":"2026-01-01T00:00:00.12345678Z","network":"n","PodID":"p","ContainerInspectData":"{}","I":"","n`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fields Fields
		if Scan(b, &fields) {
			compare(t, b, b, &fields)
			return
		}
		var e events.Event
		wantErr := json.Unmarshal(b, &e)
		if y := e.Time.Year(); wantErr == nil && (y < 0 || y > 9999) {
			return
		}
		normal, err := Normalize(b, &fields)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("verdict on %q: %v, encoding/json: %v", b, err, wantErr)
		}
		if err == nil {
			compare(t, b, normal, &fields)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	all := lines(b)
	size := 0
	for _, l := range all {
		size += len(l) + 1
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var f Fields
	for b.Loop() {
		for _, l := range all {
			Scan(l, &f)
		}
	}
}

// A label that comes twice is noticed among any number of them, in any order.
func TestScan_labelTwice(t *testing.T) {
	for _, n := range []int{1, 63, 64, 65, 4000} {
		var names strings.Builder
		for i := n; i > 0; i-- {
			fmt.Fprintf(&names, `"%d":"",`, i)
		}
		for label, want := range map[string]bool{`"0":""`: true, `"1":"again"`: false, `"\u0031":"again"`: false, `"\u0061":""`: true} {
			var f Fields
			b := `{"Status":"a","Time":"2026-01-01T00:00:00Z","Type":"b","Attributes":{` + names.String() + label + `}}`
			if got := Scan([]byte(b), &f); got != want {
				t.Errorf("%d labels and %s: %v, want %v", n, label, got, want)
			}
		}
	}
}
