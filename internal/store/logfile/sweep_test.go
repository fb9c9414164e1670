package logfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/imitate"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// strangeLines are lines that Podman does not write, or not whole.
var strangeLines = []string{
	"", "garbage", `{"Name":"torn","Status":"cre`,
	`{"Name":"torn","Sta{"ID":"abcdef0123","Name":"glued","Status":"died","Time":"2026-11-23T12:00:07Z","Type":"container","Attributes":null}`,
	`{"ID":"\u0061bcdef99","Name":"c\u0037","Status":"die\u0064","Time":"2026-11-23T12:10:07.5+01:00","Type":"container"}`,
	`{"id":"abcd","name":"c7","status":"died","time":"2026-11-23T13:00:07Z","type":"container","attributes":{"a":"1","a":"2"}}`,
	`{"ID":"abcdef0123","Name":"c7","Status":"hibernate","Time":"2026-11-23T12:20:07Z","Type":"spaceship"}`,
	`{"ID":"a","Name":"c7","Status":"died","Time":"1066-10-14T09:00:00Z","Type":"container"}`,
	`{"ID":"abcd\ud800","Name":"c7","Status":"died","Time":"9999-12-31T23:59:59Z","Type":"container"}`,
	`{"ID":"abcdef0123","Name":"c7","network":"net7","Status":"connect","Time":"2026-11-23T12:30:07Z","Type":"network"}`,
	`{"network":"c7","Status":"create","Time":"2026-11-23T12:30:08Z","Type":"network","Attributes":{"driver":"bridge"}}`,
}

// strangeLog returns a log of several blocks with everything that makes a
// reader's life hard: times out of order, runs of what is rare elsewhere, equal
// events, lines of every strange kind, and one of enormous length.
func strangeLog(t *testing.T, r *rand.Rand) []byte {
	t.Helper()
	var b bytes.Buffer
	statuses := []events.Status{events.Create, events.Start, events.Exited, events.Remove}
	at := epoch
	for i := range 9000 {
		at = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		id := fmt.Sprintf("%064x", r.Uint64N(300)*0x9e3779b97f4a7c15)
		e := events.Event{
			Type: events.Container, Status: statuses[r.IntN(len(statuses))], Name: fmt.Sprintf("c%d", r.IntN(50)), ID: id[48:] + id[:48],
			Time: at.Add(-time.Duration(r.IntN(5000)) * time.Millisecond),
		}
		e.Attributes = map[string]string{"n": fmt.Sprint(i % 7), "<&>": `"\`}
		switch {
		case e.Status == events.Exited && i%2 == 0:
			code := i % 3
			e.ContainerExitCode = &code
		case e.Status == events.Create && i%3 != 0:
			e.Status, e.HealthStatus = events.HealthStatus, []string{"healthy", "healthy", "unhealthy", "starting"}[r.IntN(4)]
		}
		if i > 5000 && i < 5100 {
			e.Type, e.Status = events.Image, events.Pull
		}
		text, err := e.ToJSONString()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(text + "\n")
		switch {
		case i == 2000:
			b.WriteString(strings.TrimSuffix(text, "}") + `,"error":"` + strings.Repeat("x", 1<<20) + "\"}\n")
		case r.IntN(300) == 0:
			b.WriteString(strangeLines[r.IntN(len(strangeLines))] + "\n")
		case i < 1500 && r.IntN(100) == 0: // later there are blocks without equal events
			b.WriteString(text + "\n")
		}
	}
	return b.Bytes()
}

// naive is an event as a reader finds it who knows nothing but encoding/json.
type naive struct {
	event events.Event
	end   int64 // offset after its line
}

func readNaively(log []byte) (all []naive) {
	off := int64(0)
	for text := range bytes.Lines(log) {
		off += int64(len(text))
		if !bytes.HasSuffix(text, []byte("\n")) {
			break
		}
		var e events.Event
		for err := json.Unmarshal(text, &e); err != nil; err = json.Unmarshal(text, &e) {
			// It may be glued to a torn line: the rest from each '{' on.
			i := bytes.IndexByte(text[1:], '{')
			if i < 0 {
				text = nil
				break
			}
			text, e = text[i+1:], events.Event{}
		}
		if text != nil {
			all = append(all, naive{e, off})
		}
	}
	return all
}

func answers(q *store.Query, n *naive) bool {
	ns := nanos.Of(n.event.Time)
	return (q.Since == store.NoSince || ns > q.Since) && (q.Until == store.NoUntil || ns < q.Until) && q.Filters.Match(testkit.View(&n.event))
}

// randomQuery chooses filters and bounds of time that strangeLog has answers
// for, and some that it has none for.
func randomQuery(t *testing.T, r *rand.Rand) (q store.Query, text string) {
	t.Helper()
	pool := [][]string{
		nil,
		{"status=pull"},
		{"status=died"},
		{"status=kill"},
		{"status!=died"},
		{"status=raw:hibernate"},
		{"status=die", "status=create"},
		{"type=image"},
		{"type!=container"},
		{"type=raw:spaceship"},
		{"type=network"},
		{"name=c7"},
		{"name=net7"},
		{"name=nobody"},
		{"name!=c7"},
		{"name=c7", "name=c8"},
		{"name=glued"},
		{"id=abcdef"},
		{"id=9e37"},
		{"id=a"},
		{"id=0"},
		{"id=abcdef9", "id=3c6e"},
		{"id=ffffff"},
		{"container=c7"},
		{"container=9e3779b9"},
		{"container=abcdef0123"},
		{"container!=c7"},
		{"network=net7"},
		{"network=c7"},
		{"volume=c"},
		{"label=n=3"},
		{"label=<&>"},
		{"label=a=2"},
		{"label=none"},
		{"ancestor=x"},
		{"uid=4294967295"},
		{"health=unhealthy"},
		{"health!=healthy", "status=health_status"},
		{"health=changed"},
		{"+health=changed", "+health=unhealthy"},
		{"exit-code=0"},
		{"exit-code=2", "exit-code=1"},
		{"exit-code!=0", "status=died"},
		{"name=c4*"},
		{"name=*7"},
		{"container=9e3?79*"},
		{"container=c?", "container=c7"},
		{"+id=9e*", "+name=c*"},
		{"+label=n=3", "+label=<&>"},
		{"+name=c7", "name=c*"},
		{"+container=c7", "+id=9e"},
		{"status=rm"},
	}
	filters := append([]string(nil), pool[r.IntN(len(pool))]...)
	if r.IntN(3) == 0 {
		filters = append(filters, pool[r.IntN(len(pool))]...)
	}
	q = store.Everything()
	var err error
	if q.Filters, err = filter.Parse(filters); err != nil {
		t.Fatal(err)
	}
	if r.IntN(2) == 0 {
		q.SetSince(epoch.Add(time.Duration(r.IntN(10000)-100) * time.Second))
	}
	if r.IntN(2) == 0 {
		q.SetUntil(epoch.Add(time.Duration(r.IntN(10000)-100) * time.Second))
	}
	return q, fmt.Sprintf("%v since %d until %d", filters, q.Since, q.Until)
}

// places returns where the records lie that a reading yields from now on, and
// their cursors.
func places(t *testing.T, r store.Reading) (ends []int64, cursors []string) {
	t.Helper()
	var b store.Batch
	for {
		err := r.Next(context.Background(), &b)
		if errors.Is(err, io.EOF) {
			return ends, cursors
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			ends, cursors = append(ends, b.Records[i].Pos.Offset), append(cursors, string(b.Records[i].Cursor))
		}
	}
}

// Every query finds what a naive reader finds.
func TestQuery_asNaiveReader(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	log := strangeLog(t, r)
	path := filepath.Join(t.TempDir(), "events.log")
	appendTo(t, path, string(log))
	all := readNaively(log)
	w := open(t, path, Options{})
	w.indexer.index(nil)
	blocks, inTurn := w.chain.current.index.blocks, 0
	for i := range blocks {
		if !blocks[i].outOfTurn(int64(len(log))) {
			inTurn++
		}
	}
	if len(blocks) < 5 || inTurn == 0 || inTurn > len(blocks)-3 {
		t.Fatalf("of %d blocks %d are to be read in turn", len(blocks), inTurn)
	}
	for round := range 80 {
		q, text := randomQuery(t, r)
		if round == 60 {
			w.chain.current.index.drop(w.chain.current.index.memory() / 2) // as in a log of many millions
		}
		from := 0
		start := store.Start{}
		if r.IntN(2) == 0 {
			from = r.IntN(len(all))
			start = store.Start{Pos: w.chain.current.pos(all[from].end), HasPos: true}
			from++
		}
		var want []int64
		for i := from; i < len(all); i++ {
			if answers(&q, &all[i]) {
				want = append(want, all[i].end)
			}
		}
		read := func(plain bool) (ends []int64, cursors []string, end string) {
			reading, err := w.Read(context.Background(), start, q)
			if err != nil {
				t.Fatal(err)
			}
			defer reading.Close()
			setPlain(reading, plain)
			ends, cursors = places(t, reading)
			if end, err = reading.Cursor(); err != nil {
				t.Fatal(err)
			}
			return ends, cursors, end
		}
		got, cursors, end := read(false)
		equal(t, text, texts(got), texts(want))
		var b store.Batch
		last, err := w.Last(context.Background(), q, &b)
		whole := naiveLast(all, &q)
		if (last == nil) != (whole == nil) || last != nil && last.Pos.Offset != whole.end {
			t.Fatalf("the last of %s: %v, %v, want %v", text, last, err, whole)
		}
		if last != nil && from == 0 && string(last.Cursor) != cursors[len(cursors)-1] {
			t.Fatalf("the last of %s has the cursor %s, want %s", text, last.Cursor, cursors[len(cursors)-1])
		}
		_, inTurn, endInTurn := read(true)
		equal(t, "cursors of "+text, append(cursors, end), append(inTurn, endInTurn))
	}
}

func naiveLast(all []naive, q *store.Query) *naive {
	for i := len(all) - 1; i >= 0; i-- {
		if answers(q, &all[i]) {
			return &all[i]
		}
	}
	return nil
}

func texts(offsets []int64) (all []string) {
	for _, off := range offsets {
		all = append(all, fmt.Sprint(off))
	}
	return all
}

// A reading continues while the log grows and is indexed.
func TestReading_logGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	const step = 4000
	appendTo(t, path, linesOf(0, step))
	w := open(t, path, Options{})
	reading, err := w.Read(context.Background(), store.Start{}, store.Everything())
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	n := 0
	var b store.Batch
	for round := range 6 {
		for {
			err := reading.Next(context.Background(), &b)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				if name := b.Records[i].Event().Name; name != fmt.Sprintf("v%d", n) {
					t.Fatalf("event %d is %s", n, name)
				}
				n++
			}
		}
		if want := step * (round + 1); n != want {
			t.Fatalf("%d events in round %d, want %d", n, round, want)
		}
		appendTo(t, path, linesOf(n, n+step))
		if err := w.Look(); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			w.indexer.index(nil)
		}
	}
}

func TestReading_aheadOfRotation(t *testing.T) {
	for _, ahead := range []int{0, 1, 3} {
		path := filepath.Join(t.TempDir(), "events.log")
		const before, after = 12000, 12500
		appendTo(t, path, linesOf(0, before))
		w := open(t, path, Options{})
		w.indexer.index(nil)
		reading, err := w.Read(context.Background(), store.Start{}, store.Everything())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		next := func() error {
			var b store.Batch
			err := reading.Next(context.Background(), &b)
			for i := range b.Records {
				if e := b.Records[i].Event(); e.Status != events.Rotate {
					got = append(got, e.Name)
				}
			}
			return err
		}
		for range ahead {
			if err := next(); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		p := imitate.Podman{Path: path, Limit: info.Size(), Markers: imitate.MarkBoth}
		for n := before; n < after; n++ {
			if err := p.Write(strings.TrimSpace(lineOf(n))); err != nil {
				t.Fatal(err)
			}
		}
		if p.Rotations != 1 {
			t.Fatalf("%d rotations", p.Rotations)
		}
		w.indexer.index(nil)
		w.names(after - before)
		for err = next(); err == nil; err = next() {
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		// The reading began with a store whose end was in the old file.
		for err = next(); err == nil; err = next() {
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		reading.Close()
		equal(t, fmt.Sprintf("with %d batches before the rotation", ahead), got, namesOf(0, after))
	}
}

func TestIndex_codesFit(t *testing.T) {
	if n := len(events.Types()); n >= 1<<typeBits {
		t.Errorf("an entry has no room for %d types", n)
	}
	if n := len(events.Statuses()); n >= 1<<statusBits {
		t.Errorf("an entry has no room for %d statuses", n)
	}
}

// setPlain makes a reading read as if there were no index.
func setPlain(r store.Reading, plain bool) { r.(*reading).plain = plain }
