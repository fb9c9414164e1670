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

// presenceEvery is how often a host publishes its presence.
const presenceEvery = 5 * time.Minute

// presenceCheck is how often it checks whether its state has changed.
const presenceCheck = 2 * time.Second

// Presence is what a host publishes about itself in the stream HOSTS.
type Presence struct {
	Host     string    `json:"host"`
	Hostname string    `json:"hostname"`
	Version  string    `json:"version"`
	BootID   string    `json:"bootId"`
	Time     time.Time `json:"time"`
	// Cursor and EventTime are the cursor and the time of the last event that is in
	// the stream.
	Cursor    string    `json:"cursor"`
	EventTime time.Time `json:"eventTime"`
	// CaughtUp reports whether all events had been forwarded.
	CaughtUp bool `json:"caughtUp"`
	// Current is when CaughtUp was last true. Waiting is the number of events that
	// were read from the service and are not in the stream yet; more may wait in the
	// service's log.
	Current time.Time `json:"current"`
	Waiting int       `json:"waiting"`
	// Fault is the reason that it cannot forward; empty if it can.
	Fault string `json:"fault,omitempty"`
	// Sent, Checkpoints and Gaps count, since the start of the forwarder, the events
	// it sent, how often it read the checkpoint again, and the gaps it reported.
	Sent        uint64 `json:"sent"`
	Checkpoints uint64 `json:"checkpoints"`
	Gaps        uint64 `json:"gaps"`
}

// Late returns for how long events may have been missing from the stream; 0 if none
// are.
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

// catchUp records that all events have been forwarded.
func (p *Presence) catchUp() {
	p.CaughtUp, p.Current, p.Fault, p.Waiting = true, time.Now().UTC(), "", 0
}

// isCurrent reports whether all events are in the stream, as far as is known.
func (p *Presence) isCurrent() bool { return p.CaughtUp && p.Fault == "" && p.Waiting == 0 }

// wait records how many events wait to be published.
func (p *Presence) wait(events int) {
	p.leave()
	p.Waiting = events
}

// fail records why it cannot forward.
func (p *Presence) fail(err error) {
	p.leave()
	p.Fault = err.Error()
}

// leave records when it was current for the last time.
func (p *Presence) leave() {
	if p.isCurrent() {
		p.Current = time.Now().UTC()
	}
}

// publish publishes the presence, with the present time.
func (p *Presence) publish(ctx context.Context, nc *nats.Conn) error {
	p.Version, p.Time = version.Version, time.Now().UTC()
	p.Hostname, _ = os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // empty if it cannot be read
	p.BootID = strings.TrimSpace(string(boot))
	m := nats.NewMsg(hostsPrefix + p.Host)
	var err error
	if m.Data, err = json.Marshal(p); err != nil {
		return errors.Wrap(err, "cannot encode the presence")
	}
	var a ack
	return request(ctx, nc, m, &a)
}
