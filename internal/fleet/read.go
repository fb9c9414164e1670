package fleet

import (
	"context"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
)

// reading reads events ahead of their processing, up to one batch.
type reading struct {
	events chan events.Event
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once events is closed
}

func readAhead(ctx context.Context, s *client.Subscription) *reading {
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{events: make(chan events.Event, mostBatch), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		defer close(r.events)
		for {
			e, err := s.Next(ctx)
			if err != nil {
				r.err = err
				return
			}
			select {
			case r.events <- e:
			case <-ctx.Done():
				r.err = ctx.Err()
				return
			}
		}
	}()
	return r
}

// next waits for an event and returns it with others that are available.
func (r *reading) next(ctx context.Context) ([]events.Event, error) {
	var batch []events.Event
	select {
	case e, ok := <-r.events:
		if !ok {
			return nil, r.err
		}
		batch = append(batch, e)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for size := 0; len(batch) < mostBatch && size < mostBatchBytes; {
		select {
		case e, ok := <-r.events:
			if !ok {
				return batch, nil
			}
			batch = append(batch, e)
			size += len(e.ContainerInspectData) + len(e.HealthLog)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// waiting returns how many events were read and not taken.
func (r *reading) waiting() int { return len(r.events) }

// stop ends the reading and waits for it.
func (r *reading) stop() {
	r.cancel()
	<-r.done
}
