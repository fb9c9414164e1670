package logfile

import (
	"bytes"
	"slices"
	"sync"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// sweep reads a run of indexed blocks of a generation for one reading. None of their
// events is equal to one near it, so the blocks can be read out of order: helpers read
// ahead on idle processors while the caller works with the records before. The records
// are returned in the order of the file.
type sweep struct {
	past   *past
	g      *generation
	filter *prefilter
	limit  int64 // no block beyond it is read

	mu      sync.Mutex
	number  int     // of the next block to be claimed
	end     int64   // where the last claimed task ends
	ahead   []*task // claimed and not yet returned, in order
	free    []*task // for reuse
	helpers int
	begun   bool // a task has been returned
	closed  bool
	done    sync.WaitGroup // helpers
}

// task is some blocks that one goroutine reads.
type task struct {
	start, end int64
	batch      store.Batch
	parts      []part
	wanted     []int64
	ready      chan struct{} // gets one element when a helper has read it
	helped     bool
	err        error
	short      bool // the file no longer matches the index
}

const (
	// taskBytes is how much a task reads, if there is that much.
	taskBytes = chunkSize
	// taskBlocks bounds the blocks of a task if little of each has to be read.
	taskBlocks = 64
	// maxAhead is how many tasks may be read ahead of the reader.
	maxAhead = 3
)

// newSweep returns a sweep from the reading's place up to the limit, nil if what is
// there has to be read in sequence.
func (r *reading) newSweep(limit int64) *sweep {
	b, number, ok := r.g.index.at(r.off)
	if !ok || b.start != r.off || !b.outOfTurn(limit) {
		return nil
	}
	return &sweep{past: r.past, g: r.g, filter: newPrefilter(&r.query), limit: limit, number: number, end: r.off}
}

// claim takes the next blocks as a task, nil if there are none. It is called with the
// mutex held.
func (w *sweep) claim(helped bool) *task {
	var t *task
	bytes := int64(0)
	for blocks := 0; blocks < taskBlocks && bytes < taskBytes; blocks++ {
		b, ok := w.g.index.block(w.number)
		if !ok || !b.outOfTurn(w.limit) {
			break
		}
		if t == nil {
			t = w.newTask()
			t.start, t.helped = b.start, helped
		}
		w.number++
		w.end, t.end = b.end, b.end
		bytes += w.assign(t, &b)
	}
	if t != nil {
		w.ahead = append(w.ahead, t)
	}
	return t
}

// assign adds a block to a task, and returns how many bytes of it have to be read.
func (w *sweep) assign(t *task, b *block) (bytes int64) {
	if q := w.filter.query; w.past.chain.collected == NotCollected && !q.HasUser(w.g.uid.Load()) || !b.mayMatch(q) {
		return 0
	}
	first := len(t.parts)
	t.parts, t.wanted = w.filter.parts(t.parts, t.wanted, b)
	for _, p := range t.parts[first:] {
		bytes += p.end - p.start
	}
	return bytes
}

func (w *sweep) newTask() *task {
	if n := len(w.free); n > 0 {
		t := w.free[n-1]
		w.free = w.free[:n-1]
		t.parts, t.wanted, t.err, t.short = t.parts[:0], t.wanted[:0], nil, false
		return t
	}
	return &task{ready: make(chan struct{}, 1)}
}

// next returns the records of the next task, perhaps none, and where it ends. more is
// false after the last block. The error is the file's; short means that the file
// no longer matches the index.
func (w *sweep) next(b *store.Batch) (end int64, more, short bool, err error) {
	w.mu.Lock()
	if len(w.ahead) == 0 && w.claim(false) == nil {
		defer w.mu.Unlock()
		return w.end, false, false, nil
	}
	t := w.ahead[0]
	if w.begun { // a reader of only the first task needs no help
		w.callHelp()
	}
	w.begun = true
	w.mu.Unlock()
	if t.helped {
		<-t.ready
	} else {
		w.run(t)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead = slices.Delete(w.ahead, 0, 1)
	if t.err != nil || t.short {
		return t.start, true, t.short, t.err
	}
	t.batch, *b = *b, t.batch
	w.free = append(w.free, t)
	return t.end, true, false, nil
}

// callHelp starts helpers, if processors are idle and blocks are left. It is called
// with the mutex held.
func (w *sweep) callHelp() {
	for !w.closed && w.helpers+len(w.ahead) < maxAhead {
		if b, ok := w.g.index.block(w.number); !ok || !b.outOfTurn(w.limit) {
			return
		}
		select {
		case w.past.helpers <- struct{}{}:
		default:
			return
		}
		w.helpers++
		w.done.Go(w.help)
	}
}

// help reads ahead as far as maxAhead allows.
func (w *sweep) help() {
	defer func() { <-w.past.helpers }()
	for {
		w.mu.Lock()
		var t *task
		if !w.closed && len(w.ahead) < maxAhead {
			t = w.claim(true)
		}
		if t == nil {
			w.helpers--
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.run(t)
		t.ready <- struct{}{}
	}
}

// close waits for the helpers.
func (w *sweep) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.done.Wait()
}

// run reads the blocks of a task.
func (w *sweep) run(t *task) {
	b := &t.batch
	b.Records, b.Arena = b.Records[:0], b.Arena[:0]
	if _, t.err = w.g.stat(); t.err != nil {
		return
	}
	room := int64(0)
	for i := range t.parts {
		room += t.parts[i].end - t.parts[i].start
	}
	b.Buffer = slices.Grow(b.Buffer[:0], int(room))
	wanted := t.wanted
	for _, p := range t.parts {
		free := b.Buffer[len(b.Buffer):]
		data, err := w.g.readAt(free[:p.end-p.start], p.start)
		if err != nil {
			t.err = err
			return
		}
		if int64(len(data)) < p.end-p.start || data[len(data)-1] != '\n' {
			t.short = true
			return
		}
		b.Buffer = b.Buffer[:len(b.Buffer)+len(data)]
		if p.wanted != every {
			for _, off := range wanted[:p.wanted] {
				text := data[off-p.start:]
				w.consider(t, text[:bytes.IndexByte(text, '\n')], off)
			}
			wanted = wanted[p.wanted:]
			continue
		}
		for at := 0; at < len(data); {
			n := bytes.IndexByte(data[at:], '\n')
			if n > 0 {
				w.consider(t, data[at:at+n], p.start+int64(at))
			}
			at += n + 1
		}
	}
}

// consider adds the event of a line to the batch if it answers the query.
func (w *sweep) consider(t *task, text []byte, off int64) {
	b := &t.batch
	n := len(b.Records)
	if n < cap(b.Records) {
		b.Records = b.Records[:n+1]
	} else {
		b.Records = append(b.Records, store.Record{})
	}
	rec := &b.Records[n]
	found, stored, reason := line.Find(text, &rec.Fields)
	if reason != nil {
		w.past.skips.note(w.g, off, reason)
	}
	rec.Line, rec.Pos = found, w.g.pos(off+int64(len(text))+1)
	w.past.chain.setSource(rec, w.g)
	if found == nil || !w.filter.query.Match(rec) {
		b.Records = b.Records[:n]
		return
	}
	from := len(b.Arena)
	b.Arena = appendEventCursor(b.Arena, identity{time: rec.Fields.Time, hash: hashLine(stored)}, w.g.id)
	rec.Cursor = b.Arena[from:len(b.Arena):len(b.Arena)]
}
