package logfile

import (
	"bytes"
	"slices"
	"sync"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// sweep reads a run of indexed blocks of a generation for one reading. Every
// event in them is known not to be equal to one near it, so blocks can be read
// out of turn: helpers do, on processors that are idle, while the
// caller still works with what came before. What they have read is given out in
// the order of the file.
type sweep struct {
	past   *past
	g      *generation
	filter *prefilter
	limit  int64 // no block after it is read

	mu      sync.Mutex
	number  int     // of the block that is next to be claimed
	end     int64   // where the last claimed task ends
	ahead   []*task // claimed and not yet given out, in order
	free    []*task // for further use
	helpers int
	begun   bool // something was given out
	closed  bool
	done    sync.WaitGroup // helpers
}

// task is some blocks that are read by one goroutine at once.
type task struct {
	start, end int64
	batch      store.Batch
	parts      []part
	wanted     []int64
	ready      chan struct{} // gets one when a helper has read it
	helped     bool
	err        error
	short      bool // the file is not what the index says
}

const (
	// taskBytes is how much a task reads, if there is as much.
	taskBytes = chunkSize
	// taskBlocks bounds the blocks of a task of which little has to be read.
	taskBlocks = 64
	// maxAhead is how many tasks a reading may be ahead of its reader.
	maxAhead = 3
)

// newSweep returns a sweep from the place of the reading on up to the limit,
// nil if what is there has to be read in turn.
func (r *reading) newSweep(limit int64) *sweep {
	b, number, ok := r.g.index.at(r.off)
	if !ok || b.start != r.off || !b.outOfTurn(limit) {
		return nil
	}
	return &sweep{past: r.past, g: r.g, filter: newPrefilter(&r.query), limit: limit, number: number, end: r.off}
}

// claim takes the next blocks for a task, nil if there are none. It is called
// with the mutex held.
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

// assign adds a block to a task, and returns how many bytes of it have to be
// read.
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

// next gives out the records of the next task, perhaps none, and returns where
// it ends. more is false after the last block. The error is that of the file;
// short says that the file is not what the index says from there on.
func (w *sweep) next(b *store.Batch) (end int64, more, short bool, err error) {
	w.mu.Lock()
	if len(w.ahead) == 0 && w.claim(false) == nil {
		defer w.mu.Unlock()
		return w.end, false, false, nil
	}
	t := w.ahead[0]
	if w.begun { // who wants no more than the first needs no help
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

// callHelp lets helpers begin, if there are processors for them and there is
// something left to do. It is called with the mutex held.
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

// help reads ahead until that is far enough.
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
