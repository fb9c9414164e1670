package logfile

import (
	"context"
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
	"github.com/eventsvc/eventsvc/internal/store"
)

// bigLog writes a log of several blocks whose times are out of order, with
// statuses that are rare in places, garbage and equal lines.
func bigLog(t *testing.T, path string, r *rand.Rand) {
	t.Helper()
	var b strings.Builder
	statuses := []events.Status{events.Create, events.Start, events.Exited, events.Remove}
	at := epoch
	for i := range 12000 {
		at = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		e := events.Event{
			Type: events.Container, Status: statuses[r.IntN(len(statuses))], Name: fmt.Sprintf("c%d", r.IntN(50)), ID: fmt.Sprintf("%064x", i),
			Time: at.Add(-time.Duration(r.IntN(5000)) * time.Millisecond),
		}
		if i > 5000 && i < 5100 {
			e.Type, e.Status = events.Image, events.Pull
		}
		if code := r.IntN(8) * 17; code < 119 && (e.Status == events.Exited || e.Status == events.Remove) {
			e.ContainerExitCode = &code
		}
		switch r.IntN(10) {
		case 0:
			e.Status, e.HealthStatus = events.HealthStatus, []string{"healthy", "unhealthy", "starting", "reset", ""}[r.IntN(5)]
		case 1:
			e.Type, e.Status, e.Name, e.Network = events.Network, events.NetworkConnect, "", fmt.Sprintf("net%d", r.IntN(5))
		case 2:
			e.Type, e.Status, e.Name, e.ID = events.Volume, events.Create, []string{"d", "db", "data", "web"}[r.IntN(4)], ""
		}
		if i == 9000 {
			e.Time = epoch.Add(-time.Hour)
		}
		line, err := e.ToJSONString()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(line + "\n")
		switch r.IntN(100) {
		case 0:
			b.WriteString("garbage\n")
		case 1:
			if i > twinWindow { // of equal events at the start of a log the first may be one of several: its place is not certain
				b.WriteString(line + "\n")
			}
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// all returns the cursors of the records that answer the query, and that of the
// end.
func (w *watched) all(after string, q store.Query) []string { return w.readAll(after, q, false) }

// allInTurn is all without the index.
func (w *watched) allInTurn(after string, q store.Query) []string { return w.readAll(after, q, true) }

func (w *watched) readAll(after string, q store.Query, plain bool) []string {
	w.t.Helper()
	r, err := w.Read(context.Background(), store.Start{After: after}, q)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	r.(*reading).plain = plain
	var cursors []string
	var b store.Batch
	for {
		err := r.Next(context.Background(), &b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range b.Records {
			cursors = append(cursors, string(b.Records[i].Cursor))
		}
	}
	end, err := r.Cursor()
	if err != nil {
		w.t.Fatal(err)
	}
	return append(cursors, end)
}

// What is passed over is nothing that is wanted.
func TestIndex_passesOver(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	path := filepath.Join(t.TempDir(), "events.log")
	bigLog(t, path, r)
	warm := open(t, path, Options{})
	everything := warm.all("", store.Everything())
	warm.indexer.index(nil)
	if n := len(warm.chain.current.index.blocks); n < 4 {
		t.Fatalf("the index has %d blocks", n)
	}
	choice := []string{
		"status=pull", "status=died", "status=kill", "type=image", "name=c7", "status!=died", "name=c1*", "name=c*", "name=*7", "container=c?", "id=00*1",
		"container=c2*", "name=net*", "network=net1", "network=n?t2", "volume=d", "volume=da", "volume=db*", "health=healthy", "health!=healthy",
		"health=raw:reset", "health=unhealthy", "+health=starting", "exit-code=0", "exit-code!=0", "exit-code=17", "exit-code=34", "+exit-code=51",
	}
	for range 120 {
		q := store.Everything()
		var filters []string
		for range r.IntN(3) {
			filters = append(filters, choice[r.IntN(len(choice))])
		}
		var err error
		if q.Filters, err = filter.Parse(filters); err != nil {
			t.Fatal(err)
		}
		if r.IntN(2) == 0 {
			q.SetSince(epoch.Add(time.Duration(r.IntN(13000)) * time.Second))
		}
		if r.IntN(2) == 0 {
			q.SetUntil(epoch.Add(time.Duration(r.IntN(13000)-100) * time.Second))
		}
		after := ""
		if r.IntN(2) == 0 {
			after = everything[r.IntN(len(everything))]
		}
		got, want := warm.all(after, q), warm.allInTurn(after, q)
		equal(t, fmt.Sprintf("%v since %d until %d after %s", filters, q.Since, q.Until, after), got, want)
	}
}
