package fleet

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/line"
)

// collected is a line of the log that came from a stream.
type collected struct {
	place
	message []byte // without the brace at its end; nil except for the newest
	key     uint64
}

// prove finds where in the stream the log ends. A sequence alone proves nothing: a
// stream that was reset to an older state, or recreated, gives the same numbers to
// other messages, and a reader would silently wait for a number that it has not
// reached. So the message at that position has to be that of the log's last line.
func (f *FromStream) prove(ctx context.Context, js jetstream.JetStream, sink *Sink) (jetstream.Stream, start, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, EventsStream)
	if err != nil {
		return nil, start{}, errors.Errorf("cannot find the stream %s: %v; 'eventsvc forward --create' makes it", EventsStream, err)
	}
	if err := checkOwn(&stream.CachedInfo().Config); err != nil {
		return nil, start{}, err
	}
	state := stream.CachedInfo().State
	at := start{created: stream.CachedInfo().Created, last: state.LastSeq, seq: 1}
	tail, err := readTail(sink)
	if err != nil {
		return nil, start{}, err
	}
	if len(tail) == 0 {
		if state.FirstSeq > 1 { // what a first reader does not find is not a gap
			at.seq = state.FirstSeq
		}
		return stream, at, nil
	}
	newest := tail[len(tail)-1]
	created := at.created.UnixNano()
	switch {
	case newest.created == created && newest.seq < state.FirstSeq:
		at.seq = newest.seq + 1
		if at.seq < state.FirstSeq {
			at.lost, at.seq = newest.seq, state.FirstSeq
		}
		at.known = ahead(tail)
		return stream, at, nil
	case newest.created == created && newest.seq <= state.LastSeq:
		same, err := f.isAt(ctx, stream, newest)
		if err != nil {
			return nil, start{}, err
		}
		if same {
			at.seq = newest.seq + 1
			at.known = ahead(tail)
			return stream, at, nil
		}
	}
	common, err := f.common(ctx, stream, tail, created, state)
	if err != nil {
		return nil, start{}, err
	}
	at.seq = max(1, state.FirstSeq)
	if newest.created != created {
		// The stream was deleted and recreated: what the old one held after this is gone,
		// and hosts do not send it again.
		at.lost = newest.seq
	}
	at.known = map[uint64]struct{}{}
	for i, c := range tail {
		if i > common {
			at.known[c.key] = struct{}{}
		}
	}
	if common >= 0 {
		at.seq = tail[common].seq + 1
	}
	f.Log.Warn("the stream has changed; continuing after the last event that it has in common with the log", "sequence", at.seq-1)
	return stream, at, nil
}

// common returns the index in the tail of the last line that the stream has at the same
// sequence, -1 if there is none. A stream that was reset has kept its beginning, so a
// binary search works.
func (f *FromStream) common(ctx context.Context, stream jetstream.Stream, tail []collected, created int64, state jetstream.StreamState) (int, error) {
	var candidates []int
	least := uint64(0)
	for i, c := range tail {
		if c.created == created && c.seq >= state.FirstSeq && c.seq <= state.LastSeq && c.seq > least {
			candidates = append(candidates, i)
			least = c.seq
		}
	}
	var failed error
	n := sort.Search(len(candidates), func(i int) bool {
		if failed != nil {
			return true
		}
		same, err := f.isAt(ctx, stream, tail[candidates[i]])
		failed = err
		return !same
	})
	if failed != nil || n == 0 {
		return -1, failed
	}
	return candidates[n-1], nil
}

// isAt reports whether the stream has the line's message at its position.
func (f *FromStream) isAt(ctx context.Context, stream jetstream.Stream, c collected) (bool, error) {
	m, err := stream.GetMsg(ctx, c.seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, errors.Wrap(err, "cannot read a message of the stream")
	}
	if c.message != nil {
		return len(m.Data) == len(c.message)+1 && bytes.HasPrefix(m.Data, c.message), nil
	}
	_, host, cursor, _, ok := line.OriginCursor(m.Data)
	return ok && eventKey(host, cursor) == c.key, nil
}

// ahead returns the events that are in the log although their position in the stream is
// after that of the log's last line: the stream was reset since they were collected.
func ahead(tail []collected) map[uint64]struct{} {
	newest := tail[len(tail)-1]
	for _, c := range tail {
		if c.created != newest.created || c.seq > newest.seq {
			known := make(map[uint64]struct{}, len(tail))
			for _, c := range tail {
				known[c.key] = struct{}{}
			}
			return known
		}
	}
	return nil
}

// readTail returns the end of the log, oldest first.
func readTail(sink *Sink) ([]collected, error) {
	var tail []collected
	err := sink.Tail(tailBytes, func(text []byte) bool {
		message, p, ok := cutPlace(text)
		if !ok {
			return true
		}
		_, host, cursor, _, ok := line.OriginCursor(text)
		if !ok {
			return true
		}
		c := collected{place: p, key: eventKey(host, cursor)}
		if len(tail) == 0 {
			c.message = append([]byte(nil), message...)
		}
		tail = append(tail, c)
		return true
	})
	slices.Reverse(tail)
	return tail, err
}
