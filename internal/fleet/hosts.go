package fleet

import (
	"context"
	"encoding/json"
	"log/slog"
	"sort"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/pkg/errors"
)

// goneAfter is how long after its last presence message a host counts as gone.
const goneAfter = 2*presenceEvery + time.Minute

// State describes a host in a word: "gone" if its presence is too old, "fault" if it
// cannot forward, "behind" if it has events that are not in the stream yet, or "ok".
func (p *Presence) State(now time.Time) string {
	switch {
	case now.Sub(p.Time) > goneAfter:
		return "gone"
	case p.Fault != "":
		return "fault"
	case !p.CaughtUp:
		return "behind"
	}
	return "ok"
}

// Hosts returns the latest presence of each host, sorted by name.
func Hosts(ctx context.Context, server Server, log *slog.Logger) ([]Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*requestTimeout)
	defer cancel()
	nc, err := server.connect(ctx, "eventsvc hosts", "_INBOX_collect", log, nats.RetryOnFailedConnect(false))
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, errors.Wrap(err, "cannot use JetStream")
	}
	stream, err := js.Stream(ctx, HostsStream)
	if err != nil {
		return nil, errors.Wrap(err, "cannot find the stream "+HostsStream)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, errors.Wrap(err, "cannot read the stream "+HostsStream)
	}
	defer dropConsumer(ctx, stream, consumer)
	var hosts []Presence
	const page = 1000
	for {
		batch, err := consumer.FetchNoWait(page)
		if err != nil {
			return nil, errors.Wrap(err, "cannot read the stream "+HostsStream)
		}
		n := 0
		for m := range batch.Messages() {
			n++
			var p Presence
			if json.Unmarshal(m.Data(), &p) == nil && m.Subject() == hostsPrefix+p.Host {
				if md, err := m.Metadata(); err == nil {
					p.Time = md.Timestamp.UTC() // the server's clock, for all hosts
				}
				hosts = append(hosts, p)
			}
		}
		if err := batch.Error(); err != nil {
			return nil, errors.Wrap(err, "cannot read the stream "+HostsStream)
		}
		if n < page {
			break
		}
	}
	sort.Slice(hosts, func(i, j int) bool { return hosts[i].Host < hosts[j].Host })
	return hosts, nil
}
