package logfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/test/imitate"
)

// benchEvents is how many events the log of the benchmarks has.
const benchEvents = 200_000

// benchLog opens a store on a generated log.
func benchLog(b *testing.B) (*Store, imitate.Log) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "events.log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	log, err := imitate.Generate(f, benchEvents, 1)
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	s, err := Open(Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if _, _, err := s.Follow(func(store.Emission) {}); err != nil {
		b.Fatal(err)
	}
	return s, log
}

// cpuTime is what the process has used of all processors, which on a busy
// machine says more than the clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHistory reads a log to its end, by each way that there is: in turn,
// as everything was read before there was an index and as what is not yet
// indexed still is; by the blocks of the index alone; by its entries; and with
// helpers that read ahead.
func BenchmarkHistory(b *testing.B) {
	s, log := benchLog(b)
	for _, work := range []struct {
		name    string
		filters []string
		since   time.Time
	}{
		{name: "everything"},
		{name: "one-status", filters: []string{"status=died"}},
		{name: "last-percent", since: log.LastPercent},
		{name: "rare-container", filters: []string{"container=" + log.Container[:12]}},
		{name: "label", filters: []string{"label=project=shop7"}},
	} {
		q := store.Everything()
		var err error
		if q.Filters, err = filter.Parse(work.filters); err != nil {
			b.Fatal(err)
		}
		if !work.since.IsZero() {
			q.SetSince(work.since)
		}
		for _, way := range []string{"in-turn", "blocks", "entries", "ahead"} {
			b.Run(work.name+"/"+way, func(b *testing.B) {
				s.indexer.index(nil)
				helpers := s.past.helpers
				defer func() { s.past.helpers = helpers }()
				if way != "ahead" {
					s.past.helpers = make(chan struct{}) // has room for none
				}
				index := &s.chain.current.index
				whole := index.blocks
				defer func() { index.blocks = whole }()
				if way == "blocks" {
					index.blocks = append([]block(nil), whole...)
					for i := range index.blocks {
						index.blocks[i].entries = nil
					}
				}
				b.SetBytes(log.Bytes)
				b.ReportAllocs()
				before := cpuTime()
				for b.Loop() {
					readAll(b, s, q, way == "in-turn")
				}
				b.ReportMetric(float64((cpuTime()-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

func readAll(b *testing.B, s *Store, q store.Query, plain bool) {
	b.Helper()
	r, err := s.Read(context.Background(), store.Start{}, q)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	setPlain(r, plain)
	var batch store.Batch
	for err == nil {
		err = r.Next(context.Background(), &batch)
	}
	if !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
}

// BenchmarkLast finds the newest event of a container that died long ago.
func BenchmarkLast(b *testing.B) {
	s, log := benchLog(b)
	q := store.Everything()
	var err error
	if q.Filters, err = filter.Parse([]string{"container=" + log.Container[:12], "status=died"}); err != nil {
		b.Fatal(err)
	}
	s.indexer.index(nil)
	var batch store.Batch
	for b.Loop() {
		if _, err := s.Last(context.Background(), q, &batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndex indexes a log.
func BenchmarkIndex(b *testing.B) {
	s, log := benchLog(b)
	s.indexer.index(nil)
	b.SetBytes(log.Bytes)
	b.ReportAllocs()
	for b.Loop() {
		s.chain.current.index = index{}
		s.indexer.index(nil)
	}
}

// BenchmarkTwins numbers events of which none are equal.
func BenchmarkTwins(b *testing.B) {
	var t twins
	n := uint64(0)
	for b.Loop() {
		n++
		t.next(int64(n), n*0x9e3779b97f4a7c15)
	}
}
