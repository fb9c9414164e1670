package logfile

import (
	"context"
	"runtime"
	"time"

	"github.com/eventsvc/eventsvc/internal/store"
)

// past reads what is in the log: from any place on, or the newest event that matches a
// query.
type past struct {
	chain   *chain
	skips   *skips
	indexer *indexer
	look    func() error  // brings the chain up to date
	helpers chan struct{} // has one element for each helper of a sweep
}

func newPast(f *follower) *past {
	return &past{
		chain: f.chain, skips: f.skips, indexer: f.indexer, look: f.look, helpers: make(chan struct{}, runtime.NumCPU()),
	}
}

// read begins a reading.
func (p *past) read(ctx context.Context, start store.Start, query store.Query) (*reading, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.look(); err != nil {
		return nil, err
	}
	r := &reading{past: p, query: query}
	p.enlist(r)
	var err error
	switch {
	case start.HasPos:
		err = r.startAt(start.Pos)
	case start.After != "":
		err = r.startAfter(ctx, start.After)
	default:
		err = r.startOldest()
	}
	if err == nil {
		err = r.setEnd()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// enlist makes the chain hold open the files that a reading will reach.
func (p *past) enlist(r *reading) {
	p.chain.mu.Lock()
	defer p.chain.mu.Unlock()
	p.chain.readings[r] = struct{}{}
}

// span returns the times of the oldest and the newest event in the log, zero if there
// is none.
func (p *past) span() (oldest, newest time.Time) {
	ctx := context.Background()
	b := store.Batch{Buffer: make([]byte, firstStep)} // the first lines suffice
	if r, err := p.read(ctx, store.Start{}, store.Everything()); err == nil {
		if r.nextSome(ctx, &b, 1) == nil {
			oldest = b.Records[0].When()
		}
		r.Close()
	}
	if last, err := p.last(ctx, store.Everything(), &b); err == nil {
		newest = last.When()
	}
	return oldest, newest
}
