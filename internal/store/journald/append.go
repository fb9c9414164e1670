//go:build systemd && cgo

package journald

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// The bounds of a write: how long journald may take, and how often to check whether the
// event has arrived.
const (
	writeTimeout = 10 * time.Second
	writePoll    = 300 * time.Microsecond
)

// pending is an event that was sent to journald and has not been seen in the journal
// yet.
type pending struct {
	id     string
	event  *events.Event
	result *store.Written // the caller's
	cursor string         // set once it has been seen
}

// identify returns what a sent event is recognized by.
func identify(v *line.Values) string {
	return strings.Join([]string{string(v.Time), string(v.Type), string(v.Status), string(v.ID), string(v.Name)}, "\x00")
}

// answer gives its cursor to the oldest pending event that is equal to it.
func (s *Store) answer(f *found) {
	waiting := s.pending[f.id]
	if len(waiting) == 0 {
		return
	}
	waiting[0].cursor = string(f.record.Cursor)
	s.written++
	s.forget(waiting[0])
}

func (s *Store) forget(p *pending) {
	rest := slices.DeleteFunc(s.pending[p.id], func(q *pending) bool { return q == p })
	if s.pending[p.id] = rest; len(rest) == 0 {
		delete(s.pending, p.id)
	}
}

// Append sends events to journald as Podman does, and returns when they are in the
// journal. journald has no transactions: any of several events may be missing.
func (s *Store) Append(ctx context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	var sent []*pending
	for i := range batch {
		if results[i].Err = s.check(&batch[i]); results[i].Err == nil {
			sent = append(sent, newPending(&batch[i], &results[i]))
		}
	}
	if len(sent) == 0 {
		return results
	}
	deadline := time.NewTimer(writeTimeout)
	defer deadline.Stop()
	if err := s.expect(sent); err != nil {
		fail(sent, err)
		return results
	}
	defer s.forgetAll(sent)
	count, err := s.send(context.WithoutCancel(ctx), sent, deadline.C)
	if err != nil {
		fail(sent[count:], &events.UnavailableError{Backend: events.Journald, Reason: err.Error()})
	}
	s.await(sent[:count], deadline.C)
	return results
}

// check returns why an event cannot be sent.
func (s *Store) check(e *events.Event) error {
	if s.directory != "" {
		return &events.UnavailableError{Backend: events.Journald, Reason: "cannot write event: the journal in " + s.directory +
			" is only read; leave --journal-directory out to write to the journal of this host"}
	}
	text, err := e.AppendJSON(nil)
	if err == nil && len(text) > line.MaxLine {
		err = &events.FieldError{Field: "event", Reason: "it is too long"}
	}
	return err
}

func newPending(e *events.Event, result *store.Written) *pending {
	stamp := e.Time.Format(time.RFC3339Nano)
	return &pending{event: e, result: result, id: identify(&line.Values{
		Time: []byte(stamp), Type: []byte(e.Type), Status: []byte(e.Status), ID: []byte(e.ID), Name: []byte(e.Name),
	})}
}

func fail(sent []*pending, err error) {
	for _, p := range sent {
		p.result.Err = err
	}
}

// expect adds the events that are about to be sent.
func (s *Store) expect(sent []*pending) error {
	if err := s.Look(); err != nil { // so that what is sent is soon after the mark
		return err
	}
	s.forward.Lock() // no jump is in progress
	defer s.forward.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("cannot write event: the store is closed")
	}
	for _, p := range sent {
		s.pending[p.id] = append(s.pending[p.id], p)
	}
	return nil
}

func (s *Store) forgetAll(sent []*pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range sent {
		s.forget(p)
	}
}

// send sends the events to journald in order, and returns how many it has accepted. If
// journald accepts none, because it is stopped, one goroutine waits for it: meanwhile
// further writers fail.
func (s *Store) send(ctx context.Context, sent []*pending, deadline <-chan time.Time) (count int, err error) {
	const stuck = "cannot write event: journald does not take it; is systemd-journald running?"
	select {
	case s.sending <- struct{}{}:
	case <-deadline:
		return 0, errors.New(stuck)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	type outcome struct {
		count int
		err   error
	}
	result := make(chan outcome, 1)
	go func() {
		defer func() { <-s.sending }()
		for i, p := range sent {
			priority, fields := podmanFields(p.event)
			if err := journal.Send(p.event.ToHumanReadable(false), priority, fields); err != nil {
				result <- outcome{i, errors.Wrap(err, "cannot write event to journald; is systemd-journald running?")}
				return
			}
		}
		result <- outcome{count: len(sent)}
	}()
	select {
	case r := <-result:
		return r.count, r.err
	case <-deadline:
		return 0, errors.New(stuck)
	}
}

// await returns once everything that was sent is in the journal, or is no longer
// expected there.
func (s *Store) await(sent []*pending, deadline <-chan time.Time) {
	poll := time.NewTicker(writePoll)
	defer poll.Stop()
	for {
		err := s.Look()
		if s.settle(sent, nil) {
			return
		} else if err != nil {
			s.settle(sent, err)
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			s.settle(sent, &events.UnavailableError{Backend: events.Journald, Reason: "cannot write event: it is not in the journal after " +
				writeTimeout.String() + "; journald drops what exceeds its RateLimitBurst= (journald.conf), or has no room"})
			return
		}
	}
}

// settle sets the results of what is in the journal, and reports whether that is
// everything. If there is an error, it is the result of the others.
func (s *Store) settle(sent []*pending, err error) (all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = true
	for _, p := range sent {
		if p.result.Cursor = p.cursor; p.cursor == "" {
			all, p.result.Err = false, err
		}
	}
	return all
}

// podmanFields returns the fields of an event as Podman sends them. Their names
// are fixed, and values may hold any byte.
func podmanFields(e *events.Event) (journal.Priority, map[string]string) {
	fields := map[string]string{
		"SYSLOG_IDENTIFIER": "podman",
		"PODMAN_EVENT":      string(e.Status),
		"PODMAN_TYPE":       string(e.Type),
		"PODMAN_TIME":       e.Time.Format(time.RFC3339Nano),
	}
	set := func(name, value string) {
		if value != "" {
			fields[name] = value
		}
	}
	set("PODMAN_NAME", e.Name)
	set("PODMAN_ID", e.ID)
	set("PODMAN_IMAGE", e.Image)
	set("PODMAN_NETWORK_NAME", e.Network)
	set("PODMAN_POD_ID", e.PodID)
	set("PODMAN_HEALTH_STATUS", e.HealthStatus)
	set("PODMAN_HEALTH_LOG", e.HealthLog)
	set("PODMAN_CONTAINER_INSPECT_DATA", e.ContainerInspectData)
	set("ERROR", e.Error)
	if e.ContainerExitCode != nil {
		fields["PODMAN_EXIT_CODE"] = strconv.Itoa(*e.ContainerExitCode)
	}
	if e.HealthFailingStreak != 0 {
		fields["PODMAN_HEALTH_FAILING_STREAK"] = strconv.Itoa(e.HealthFailingStreak)
	}
	if len(e.Attributes) > 0 {
		fields["PODMAN_LABELS"] = string(jsonstring.AppendMap(nil, e.Attributes))
	}
	// Podman's readers require these fields for these types, even if they are empty.
	switch e.Type {
	case events.Image, events.Volume, events.Machine:
		fields["PODMAN_NAME"] = e.Name
	case events.Container, events.Pod:
		fields["PODMAN_NAME"], fields["PODMAN_IMAGE"], fields["PODMAN_ID"] = e.Name, e.Image, e.ID
		fields["PODMAN_HEALTH_STATUS"] = e.HealthStatus
	case events.Network:
		fields["PODMAN_ID"], fields["PODMAN_NETWORK_NAME"] = e.ID, e.Network
	case events.Secret:
		fields["PODMAN_ID"] = e.ID
	}
	if e.Type == events.Image {
		fields["PODMAN_ID"] = e.ID
	}
	priority := journal.PriInfo
	if e.Status == events.HealthStatus {
		priority = journal.PriNotice
	}
	return priority, fields
}
