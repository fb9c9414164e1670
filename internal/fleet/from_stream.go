package fleet

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/line"
)

// FromStream collects the stream EVENTS.
type FromStream struct {
	Server Server
	Log    *slog.Logger
}

// How a stream is read.
const (
	// pulledMessages and pulledBytes bound what is requested in advance.
	pulledMessages = 512
	pulledBytes    = 1 << 20
	// mostSubject is more than the longest subject that a server accepts, which counts
	// too, in bytes.
	mostSubject = 64 << 10
	// mostAppended is about how much is written to the log at once.
	mostAppended = 256 << 10
	// tailBytes bounds how far back the log is searched for what it has in common with
	// the stream, when the stream has changed.
	tailBytes = 64 << 20
	// proofEvery is how often to check that the stream was not reset to a state before
	// what was read.
	proofEvery = 30 * time.Second
)

// start is where a stream is read from.
type start struct {
	created time.Time
	seq     uint64 // the first message to be read
	last    uint64 // of the stream, when it was checked
	// lost: the stream no longer holds what follows this message; 0: it does.
	lost uint64
	// known are the events that are in the log although they are after seq, because the
	// stream was reset to an older state and they were sent again.
	known map[uint64]struct{}
}

// Collect collects the stream until the connection breaks.
func (f *FromStream) Collect(ctx context.Context, sink *Sink) error {
	again := make(chan struct{}, 1)
	server := f.Server
	server.noticed = func(err error) {
		sink.Fault(err)
		if err == nil {
			signal(again)
		}
	}
	nc, err := server.connect(ctx, "eventsvc collect", "_INBOX_collect", f.Log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return errors.Wrap(err, "cannot use JetStream")
	}
	for {
		err := f.round(ctx, js, sink, again)
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// round proves the position and reads from there.
func (f *FromStream) round(ctx context.Context, js jetstream.JetStream, sink *Sink, again <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, at, err := f.prove(ctx, js, sink)
	if err != nil {
		return err
	}
	if err := sink.Append(nil, Counts{Proofs: 1}); err != nil {
		return err
	}
	sink.Fault(nil)
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: at.seq,
	})
	if err != nil {
		return errors.Wrap(err, "cannot read the stream")
	}
	// Room for the longest message, which the server would otherwise never send. Limit the
	// number, too: with only a limit in bytes the library allocates room for a million
	// messages.
	size := max(pulledBytes, int(js.Conn().MaxPayload())+mostSubject)
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pulledMessages, size))
	if err != nil {
		return errors.Wrap(err, "cannot read the stream")
	}
	g := newGathering(at)
	var adding sync.WaitGroup
	adding.Go(func() { g.fail(f.gather(ctx, messages, g, sink)) })
	defer func() {
		cancel()
		messages.Stop()
		adding.Wait()
		dropConsumer(ctx, stream, consumer)
	}()
	return f.read(ctx, stream, sink, g, again)
}

// dropConsumer removes an ordered consumer from the server, which would otherwise keep
// it for minutes, and can hold only a limited number.
func dropConsumer(ctx context.Context, stream jetstream.Stream, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if i := consumer.CachedInfo(); i != nil {
		_ = stream.DeleteConsumer(ctx, i.Name) // if the server is unreachable, it forgets the consumer later
	}
}

// gather adds the lines of messages until something fails. After the stream's last
// message it appends them itself, which is faster for a single message than another
// goroutine.
func (f *FromStream) gather(ctx context.Context, messages jetstream.MessagesContext, g *gathering, sink *Sink) error {
	for {
		m, err := messages.Next()
		if err != nil {
			return errors.Wrap(err, "cannot read the stream")
		}
		last, err := g.add(ctx, func(lines []byte, at *start, done *Counts) ([]byte, error) { return f.add(lines, m, at, done) })
		if err == nil && last {
			err = g.write(sink)
		}
		if err != nil {
			return err
		}
	}
}

// read appends what was gathered.
func (f *FromStream) read(ctx context.Context, stream jetstream.Stream, sink *Sink, g *gathering, again <-chan struct{}) error {
	proof := time.NewTicker(proofEvery)
	defer proof.Stop()
	for {
		select {
		case <-g.ready:
			if err := g.write(sink); err != nil {
				return err
			}
		case <-again:
			return errAgain
		case <-proof.C:
			if i, err := stream.Info(ctx); err == nil && !g.isBefore(i.State.LastSeq, i.Created) {
				return errAgain
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add appends the line of a message, after the report of a gap before it.
func (f *FromStream) add(lines []byte, m jetstream.Msg, at *start, done *Counts) ([]byte, error) {
	md, err := m.Metadata()
	if err != nil {
		return lines, errors.Wrap(err, "cannot understand a message of the stream")
	}
	seq := md.Sequence.Stream
	lost := at.lost
	if seq > at.seq {
		lost = at.seq - 1 // the stream has removed messages, by age or limit, that this reader had not read
	}
	if lost > 0 || seq > at.seq && at.seq == 1 {
		number := func(n uint64) string { return strconv.FormatUint(n, 10) }
		cursor := "lost-" + strconv.FormatInt(at.created.UnixNano(), 36) + "-" + number(seq)
		report, err := lostLine(EventsStream, number(lost), number(seq), -1, cursor)
		if err != nil {
			return lines, err
		}
		f.Log.Warn("events were lost: the stream no longer holds what follows the last collected", "after", lost, "oldest", seq)
		lines = append(append(lines, report...), '\n')
		done.Gaps++
	}
	at.lost, at.seq = 0, seq+1
	data := m.Data()
	host, cursor, ok := f.check(m.Subject(), data)
	if !ok {
		done.Refused++
		f.Log.Warn("a message of the stream is no event of its host; it is left out", "subject", m.Subject(), "sequence", seq)
		return lines, nil
	}
	if len(at.known) > 0 {
		if _, known := at.known[eventKey(host, cursor)]; known {
			return lines, nil
		}
	}
	done.Events++
	done.Lag, done.Behind = time.Since(md.Timestamp), md.NumPending
	return appendPlace(lines, data, place{created: at.created.UnixNano(), seq: seq}), nil
}

// check reports whether a message is an event of the host in its subject; the server
// checks that the sender may use the subject.
func (f *FromStream) check(subject string, data []byte) (host, cursor string, ok bool) {
	rest, found := strings.CutPrefix(subject, eventsPrefix)
	host, _, dotted := strings.Cut(rest, ".")
	_, named, cursor, _, ok := line.OriginCursor(data)
	var fields line.Fields
	ok = ok && found && dotted && named == host && CheckHost(host) == nil && bytes.HasSuffix(data, []byte(`"}`)) &&
		bytes.IndexByte(data, '\n') < 0 && len(data) <= line.MaxLine && line.Scan(data, &fields)
	return host, cursor, ok
}
