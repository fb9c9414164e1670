package fleet

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/pkg/errors"
)

// CreateStreams creates the streams EVENTS and HOSTS if they are missing; existing ones
// are unchanged. The messages of EVENTS are removed after maxAge; 0: never.
func CreateStreams(ctx context.Context, nc *nats.Conn, replicas int, maxAge time.Duration) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return errors.Wrap(err, "cannot use JetStream")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, c := range streamConfigs(replicas, maxAge) {
		found, err := js.Stream(ctx, c.Name)
		if err == nil && c.Name == EventsStream {
			if err := checkOwn(&found.CachedInfo().Config); err != nil {
				return err
			}
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = js.CreateStream(ctx, c)
		}
		if err != nil {
			return errors.Wrapf(err, "cannot create the stream %s", c.Name)
		}
	}
	return nil
}

// checkOwn returns an error unless a stream accepts the events of hosts.
func checkOwn(c *jetstream.StreamConfig) error {
	if c.Mirror != nil || len(c.Sources) > 0 {
		return nil
	}
	for _, subject := range c.Subjects {
		if subject == ">" || subject == "containers.>" || strings.HasPrefix(subject, eventsPrefix) {
			return nil
		}
	}
	return errors.Errorf("cannot use the stream %s, which does not take %s>: another program's stream has the name; "+
		"give the fleet an account of its own ('eventsvc fleet init')", c.Name, eventsPrefix)
}

func streamConfigs(replicas int, maxAge time.Duration) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name: EventsStream, Subjects: []string{eventsPrefix + ">"}, Replicas: max(1, replicas), MaxAge: maxAge,
			Storage: jetstream.FileStorage, Compression: jetstream.S2Compression,
			AllowAtomicPublish: true, AllowDirect: true, DenyDelete: true,
		},
		{
			Name: HostsStream, Subjects: []string{hostsPrefix + ">"}, Replicas: max(1, replicas), MaxMsgsPerSubject: 1,
			Storage: jetstream.FileStorage, AllowDirect: true, DenyDelete: true,
		},
	}
}
