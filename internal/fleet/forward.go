package fleet

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// Forwarder publishes the events of the local service to JetStream. Its fields
// must not be changed once it runs.
type Forwarder struct {
	Server Server
	// Host is the name of this host, a name that CheckHost accepts.
	Host string
	// Address is the address of the local service; Filters select its events.
	Address string
	Filters []string
	// Create creates the streams if they do not exist, with Replicas copies of each
	// message, which are kept for MaxAge.
	Create   bool
	Replicas int
	MaxAge   time.Duration
	Log      *slog.Logger

	most int // longest message that the stream accepts, in bytes

	mu       sync.Mutex
	presence Presence // guarded by mu
}

// ErrForeign is returned when another machine forwards under the same name.
var ErrForeign = errors.New("another machine forwards events under the name of this host: give each its own machine ID " +
	"(systemd-machine-id-setup) or name it with --host")

// mostForeign is how often in succession the stream may turn out to continue with
// events that this host does not have.
const mostForeign = 10

// The pause after an error is doubled each time, and shortened at random.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Presence returns the state of the forwarder.
func (f *Forwarder) Presence() Presence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.presence
}

func (f *Forwarder) note(change func(p *Presence)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.presence)
}

// Run forwards until the context ends, and then returns nil. After an error it
// starts again at the checkpoint; only ErrForeign ends it.
func (f *Forwarder) Run(ctx context.Context) error {
	f.presence.Host = f.Host
	server := f.Server
	server.noticed = func(err error) {
		f.note(func(p *Presence) {
			if err == nil {
				p.Fault = ""
				return
			}
			p.fail(err)
		})
	}
	nc, err := server.connect(ctx, "eventsvc forward "+f.Host, "_INBOX_"+f.Host, f.Log)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer nc.Close()
	f.most = math.MaxInt
	var beats sync.WaitGroup
	beatContext, stop := context.WithCancel(ctx)
	beats.Go(func() { f.beat(beatContext, nc) })
	defer beats.Wait()
	defer stop()
	pause, foreign := firstPause, 0
	var logged string
	for {
		sent := f.Presence().Sent
		err := f.forward(ctx, nc, &foreign)
		if ctx.Err() != nil || errors.Is(err, ErrForeign) {
			return ignoreEnd(ctx, err)
		}
		if f.Presence().Sent > sent {
			pause = firstPause
		}
		if err != nil {
			f.note(func(p *Presence) {
				p.fail(err)
				p.CaughtUp = false
			})
		}
		if err != nil && err.Error() != logged {
			logged = err.Error()
			f.Log.Warn("forwarding was interrupted; continuing from the checkpoint", "error", err)
		}
		f.note(func(p *Presence) { p.Checkpoints++ })
		if !sleep.For(ctx, pause/2+rand.N(pause/2)) {
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

// ignoreEnd drops an error that was caused by the end of the context.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// beat publishes the presence of this host: every presenceEvery, and when its state
// has changed. It publishes nothing before it knows its checkpoint, because that would
// hide what an earlier forwarder has published.
func (f *Forwarder) beat(ctx context.Context, nc *nats.Conn) {
	ticker := time.NewTicker(presenceCheck)
	defer ticker.Stop()
	var published Presence
	for {
		p := f.Presence()
		if p.Cursor != "" && (time.Since(published.Time) > presenceEvery || p.State(time.Now()) != published.State(time.Now()) || p.Gaps != published.Gaps) {
			if err := p.publish(ctx, nc); err == nil {
				published = p
			} else if ctx.Err() == nil {
				f.Log.Warn("cannot publish the presence of this host", "error", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// forward forwards from the checkpoint on, until an error.
func (f *Forwarder) forward(ctx context.Context, nc *nats.Conn, foreign *int) error {
	if f.Create {
		if err := CreateStreams(ctx, nc, f.Replicas, f.MaxAge); err != nil {
			return err
		}
	}
	f.most = min(f.most, int(nc.MaxPayload())-headroomOfPayload) // the limit of the server that it is connected to now
	from, err := readCheckpoint(ctx, nc, f.Host)
	if err != nil {
		return err
	}
	f.note(func(p *Presence) { p.Cursor, p.Waiting = from.cursor, 0 }) // what was waiting may be in the stream by now
	local, err := client.New(f.Address)
	if err != nil {
		return err
	}
	defer local.Close()
	var lost *events.ExpiredError
	begun := false // once begun, a gap ends this round; the next one starts at the checkpoint and reports it
	var s *client.Subscription
	s, err = local.Subscribe(ctx, client.SubscribeOptions{
		Filters: f.Filters, AllUsers: true, After: from.cursor, FromStart: from.cursor == "",
		OnExpired: func(e *events.ExpiredError) bool { lost = e; return !begun },
		OnLost: func(cause error, _ time.Duration) {
			f.note(func(p *Presence) { p.fail(errors.WithMessage(cause, "cannot read the service")) })
		},
		OnResumed: func(int) { f.note(func(p *Presence) { p.Fault = "" }) },
		OnMark: func(string) {
			if s != nil && s.Live() && f.Presence().Waiting == 0 {
				f.note((*Presence).catchUp)
			}
		},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	begun = true
	if s.Live() && lost == nil {
		f.note((*Presence).catchUp)
	}
	p := &publisher{nc: nc, host: f.Host, last: from.seq}
	gap := lost
	read := readAhead(ctx, s)
	defer read.stop()
	if gap != nil {
		if *foreign++; *foreign >= mostForeign {
			return ErrForeign
		}
		if err := f.publishLost(ctx, p, from.cursor, gap.Oldest); err != nil {
			return err
		}
	}
	for {
		batch, err := read.next(ctx)
		if err != nil {
			return err
		}
		f.note(func(p *Presence) { p.wait(len(batch) + read.waiting()) })
		if err := f.publishEvents(ctx, p, batch); err != nil {
			return err
		}
		if gap == nil {
			*foreign = 0
		}
		f.note(func(p *Presence) {
			if p.Fault, p.Waiting = "", read.waiting(); p.Waiting == 0 {
				p.catchUp()
			} else {
				p.CaughtUp = false
			}
		})
	}
}

// publishLost publishes a report of a gap. It is reported once, because the cursor
// of the report is where forwarding continues.
func (f *Forwarder) publishLost(ctx context.Context, p *publisher, after, oldest string) error {
	e := newLost(f.Host, after, oldest, time.Now())
	f.Log.Warn("events were lost: the log of this host no longer holds what follows the checkpoint", "after", after, "oldest", oldest)
	if err := f.publishEvents(ctx, p, []events.Event{e}); err != nil {
		return err
	}
	f.note(func(p *Presence) { p.Gaps++ })
	return nil
}

// publishEvents publishes events, and records the last one in the presence.
func (f *Forwarder) publishEvents(ctx context.Context, p *publisher, batch []events.Event) error {
	messages := make([]*nats.Msg, 0, len(batch))
	longest := 0
	for i := range batch {
		m, err := newFitting(f.Host, &batch[i], f.most)
		if err != nil {
			return err
		}
		messages = append(messages, m)
		longest = max(longest, m.Size())
	}
	if err := p.publish(ctx, messages); err != nil {
		if isCode(err, codeTooLong) && longest > headroomOfPayload {
			f.most = longest - 1 // next time, a message of this length is sent without its long parts
		}
		return err
	}
	last := &batch[len(batch)-1]
	f.note(func(p *Presence) {
		p.Sent += uint64(len(batch))
		p.Cursor, p.EventTime = last.Cursor, last.Time.UTC()
	})
	return nil
}
