// Package eventlog gives auto-update its events: from the running service, over
// Varlink, or from the host's own store if no service is running.
package eventlog

import (
	"context"
	"io"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/events/eventer"
	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// buffer is how many events are queued for the reader.
const buffer = 256

// Open returns the events of this host: those of the service if it answers, otherwise
// those of the store that the options name.
func Open(ctx context.Context, address string, options func() (events.EventerOptions, error)) (autoupdate.Feed, error) {
	c, err := client.New(address)
	if err == nil {
		ask, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err = c.GetStatus(ask)
		cancel()
		if err == nil {
			return Service{c}, nil
		}
		_ = c.Close()
	}
	o, e := options()
	if e != nil {
		return nil, errors.Wrapf(e, "cannot find the event store (no service answers: %v)", err)
	}
	st, e := eventer.New(o)
	return Store{st}, errors.Wrap(e, "cannot open the event store")
}

// Service is the running service.
type Service struct{ c *client.Client }

// Follow subscribes.
func (s Service) Follow(ctx context.Context) (<-chan events.Event, error) {
	sub, err := s.c.Subscribe(ctx, client.SubscribeOptions{Filters: []string{"type=container"}})
	if err != nil {
		return nil, err
	}
	out := make(chan events.Event, buffer)
	go func() {
		defer close(out)
		defer sub.Close()
		for e, err := range sub.Events(ctx) {
			if err != nil {
				return
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Write stores an event.
func (s Service) Write(ctx context.Context, e events.Event) error {
	_, err := s.c.WriteEvent(ctx, e)
	return err
}

// Close closes the connection.
func (s Service) Close() error { return s.c.Close() }

// Store is the store itself.
type Store struct{ e events.Eventer }

// Follow reads the events stored from now on.
func (s Store) Follow(ctx context.Context) (<-chan events.Event, error) {
	// From just before now: reading begins some time after Follow returns.
	since := time.Now().Add(-time.Second).Format(time.RFC3339Nano)
	results := make(chan events.ReadResult, buffer)
	out := make(chan events.Event, buffer)
	go func() {
		_ = s.e.Read(ctx, events.ReadOptions{EventChannel: results, Filters: []string{"type=container"}, Since: since, Stream: true})
	}()
	go func() {
		defer close(out)
		for r := range results {
			if r.Event == nil {
				continue
			}
			select {
			case out <- *r.Event:
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

// Write stores an event.
func (s Store) Write(_ context.Context, e events.Event) error { return s.e.Write(e) }

// Close closes the store.
func (s Store) Close() error {
	if c, ok := s.e.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
