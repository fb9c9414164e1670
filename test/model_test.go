package test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// model is what is known of a run from outside: which events were acknowledged to their
// writers, and which events each subscriber got.
type model struct {
	t *testing.T

	mu    sync.Mutex
	acked map[string]string // cursor by name; "" if the writer got none
	maybe map[string]bool   // written, but the writer got no answer
}

func newModel(t *testing.T) *model {
	return &model{t: t, acked: make(map[string]string), maybe: make(map[string]bool)}
}

// stored records that an event was acknowledged to its writer.
func (m *model) stored(name, cursor string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked[name] = cursor
}

// unknown records that a writer does not know whether the event is stored.
func (m *model) unknown(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.maybe[name] = true
}

// watched is what one subscriber got.
type watched struct {
	who    string
	events []event
}

// checkAll checks that the subscriber got every event of the log, once, in the
// order of the log, with the cursors that every other client sees.
func (m *model) checkAll(w *watched, log []event) {
	m.t.Helper()
	if len(w.events) != len(log) {
		m.t.Errorf("%s got %d events of %d", w.who, len(w.events), len(log))
		return
	}
	for i := range log {
		if w.events[i].Name != log[i].Name || w.events[i].Cursor != log[i].Cursor {
			m.t.Errorf("%s: event %d is %s %s, in the log it is %s %s",
				w.who, i, w.events[i].Name, w.events[i].Cursor, log[i].Name, log[i].Cursor)
			return
		}
	}
}

// checkLog checks that the log has each acknowledged event once, under its
// cursor, and nothing that was not written.
func (m *model) checkLog(log []event) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := make(map[string]int)
	cursors := make(map[string]bool)
	for _, e := range log {
		seen[e.Name]++
		if cursors[e.Cursor] {
			m.t.Errorf("two events have the cursor %s", e.Cursor)
		}
		cursors[e.Cursor] = true
		cursor, acked := m.acked[e.Name]
		if !acked && !m.maybe[e.Name] {
			m.t.Errorf("%s was not written", e.Name)
		}
		if cursor != "" && cursor != e.Cursor {
			m.t.Errorf("%s has the cursor %s, its writer got %s", e.Name, e.Cursor, cursor)
		}
	}
	for name := range m.acked {
		if seen[name] != 1 {
			m.t.Errorf("%s was acknowledged and is in the log %d times", name, seen[name])
		}
	}
	for name := range m.maybe {
		if seen[name] > 1 {
			m.t.Errorf("%s was written once and is in the log %d times", name, seen[name])
		}
	}
}

// sequences checks events whose names are WRITER-NUMBER: each writer's numbers
// must follow each other without gap or repetition from where they begin. It returns the
// number of events, and what was wrong.
func sequences(events []event) (n, missed, repeated, disordered int, last map[string]int) {
	last = make(map[string]int)
	for _, e := range events {
		writer, text, ok := strings.Cut(e.Name, "-")
		number, err := strconv.Atoi(text)
		if !ok || err != nil {
			continue // a marker
		}
		n++
		before, known := last[writer]
		switch {
		case !known || number == before+1:
		case number == before:
			repeated++
		case number < before:
			disordered++
			continue
		default:
			missed += number - before - 1
		}
		last[writer] = number
	}
	return n, missed, repeated, disordered, last
}

// collect reads events until the function returns that one is the last.
func (w *wire) collect(last func(*event) bool) ([]event, error) {
	var all []event
	for {
		r, err := w.recv()
		if err != nil {
			return all, err
		}
		if r.Error != "" {
			return all, fmt.Errorf("%s %s", r.Error, r.Parameters.Reason)
		}
		if r.Parameters.Event == nil {
			continue
		}
		all = append(all, *r.Parameters.Event)
		if last(r.Parameters.Event) {
			return all, nil
		}
	}
}
