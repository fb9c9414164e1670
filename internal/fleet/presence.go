package fleet

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/version"
)

// presenceEvery is how often a host says that it is there.
const presenceEvery = 5 * time.Minute

// presenceLook is how often it looks whether there is something to say.
const presenceLook = 2 * time.Second

// Presence is what a host says of itself in the stream HOSTS.
type Presence struct {
	Host     string    `json:"host"`
	Hostname string    `json:"hostname"`
	Version  string    `json:"version"`
	BootID   string    `json:"bootId"`
	Time     time.Time `json:"time"`
	// Cursor is that of the last event that is in the stream, and EventTime its
	// time.
	Cursor    string    `json:"cursor"`
	EventTime time.Time `json:"eventTime"`
	// CaughtUp says that there was nothing more to forward.
	CaughtUp bool `json:"caughtUp"`
	// Current is when CaughtUp was last true, Waiting how many events were read from
	// the service and are not in the stream yet; others may wait in its log.
	Current time.Time `json:"current"`
	Waiting int       `json:"waiting"`
	// Fault is what keeps it from forwarding; "": nothing does.
	Fault string `json:"fault,omitempty"`
	// Sent, Checkpoints and Gaps count since the forwarder started: events, how
	// often the checkpoint was read again, and gaps that were reported.
	Sent        uint64 `json:"sent"`
	Checkpoints uint64 `json:"checkpoints"`
	Gaps        uint64 `json:"gaps"`
}

// Late returns for how long there may have been events that are not in the stream; 0:
// there are none.
func (p *Presence) Late(now time.Time) time.Duration {
	since := p.Current
	if p.EventTime.After(since) {
		since = p.EventTime
	}
	if p.isCurrent() || since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since))
}

// catchUp notes that there is nothing more to forward.
func (p *Presence) catchUp() {
	p.CaughtUp, p.Current, p.Fault, p.Waiting = true, time.Now().UTC(), "", 0
}

// isCurrent reports whether all events are in the stream, as far as is known.
func (p *Presence) isCurrent() bool { return p.CaughtUp && p.Fault == "" && p.Waiting == 0 }

// wait notes that events wait.
func (p *Presence) wait(events int) {
	p.leave()
	p.Waiting = events
}

// fail notes what keeps it from forwarding.
func (p *Presence) fail(err error) {
	p.leave()
	p.Fault = err.Error()
}

// leave notes when it was current for the last time.
func (p *Presence) leave() {
	if p.isCurrent() {
		p.Current = time.Now().UTC()
	}
}

// say publishes the presence.
func (p *Presence) say(ctx context.Context, nc *nats.Conn) error {
	p.Version, p.Time = version.Version, time.Now().UTC()
	p.Hostname, _ = os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // what cannot be read stays empty
	p.BootID = strings.TrimSpace(string(boot))
	m := nats.NewMsg(hostsPrefix + p.Host)
	var err error
	if m.Data, err = json.Marshal(p); err != nil {
		return errors.Wrap(err, "cannot encode the presence")
	}
	var a ack
	return request(ctx, nc, m, &a)
}
