//go:build systemd && cgo

package journald

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
)

// The bounds of a write: how long journald may take, and how often it is looked
// whether it has.
const (
	writeTimeout = 10 * time.Second
	writePoll    = 300 * time.Microsecond
)

// pending is an event that was sent to journald and has not been seen in the
// journal yet.
type pending struct {
	id     string
	cursor string // once it has been
}

// identify returns what an event that was sent is recognized by.
func identify(v *line.Values) string {
	return strings.Join([]string{string(v.Time), string(v.Type), string(v.Status), string(v.ID), string(v.Name)}, "\x00")
}

// answer gives the oldest of the equal events that are waited for its cursor.
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
	var rest []*pending
	for _, q := range s.pending[p.id] {
		if q != p {
			rest = append(rest, q)
		}
	}
	if rest == nil {
		delete(s.pending, p.id)
	} else {
		s.pending[p.id] = rest
	}
}

// Append sends events to journald as Podman does, and returns their cursors once
// they are in the journal. journald has no transactions: if one of several is
// not stored, the error says how many are.
func (s *Store) Append(ctx context.Context, batch []events.Event) ([]string, error) {
	if s.directory != "" {
		return nil, &events.UnavailableError{Backend: events.Journald, Reason: "cannot write event: the journal in " + s.directory +
			" is only read; leave --journal-directory out to write to the journal of this host"}
	}
	var lines []byte
	for i := range batch {
		var err error
		if lines, err = batch[i].AppendJSON(lines[:0]); err != nil {
			return nil, errors.WithMessage(err, "cannot write event")
		}
		if len(lines) > line.MaxLine {
			return nil, &events.FieldError{Field: "event", Reason: "it is too long"}
		}
	}
	if len(batch) == 0 {
		return nil, nil
	}
	deadline := time.NewTimer(writeTimeout)
	defer deadline.Stop()
	sent, err := s.expect(batch)
	if err != nil {
		return nil, err
	}
	defer s.forgetAll(sent)
	if err := s.send(context.WithoutCancel(ctx), batch, deadline.C); err != nil {
		return nil, &events.UnavailableError{Backend: events.Journald, Reason: err.Error()}
	}
	return s.await(sent, deadline.C)
}

// expect notes what is going to be sent.
func (s *Store) expect(batch []events.Event) ([]*pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("cannot write event: the store is closed")
	}
	if err := s.lookLocked(); err != nil { // so that what is sent comes soon behind the mark
		return nil, err
	}
	sent := make([]*pending, len(batch))
	for i := range batch {
		e := &batch[i]
		stamp := e.Time.Format(time.RFC3339Nano)
		p := &pending{id: identify(&line.Values{
			Time: []byte(stamp), Type: []byte(e.Type), Status: []byte(e.Status), ID: []byte(e.ID), Name: []byte(e.Name),
		})}
		sent[i] = p
		s.pending[p.id] = append(s.pending[p.id], p)
	}
	return sent, nil
}

func (s *Store) forgetAll(sent []*pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range sent {
		s.forget(p)
	}
}

// send hands the events to journald, one batch after the other. Should journald
// not take them, as one that is stopped, then what waits is a goroutine that
// nobody waits for, and one only: the next to write finds the way barred.
func (s *Store) send(ctx context.Context, batch []events.Event, deadline <-chan time.Time) error {
	const stuck = "cannot write event: journald does not take it; is systemd-journald running?"
	select {
	case s.sending <- struct{}{}:
	case <-deadline:
		return errors.New(stuck)
	case <-ctx.Done():
		return ctx.Err()
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-s.sending }()
		for i := range batch {
			priority, fields := podmanFields(&batch[i])
			if err := journal.Send(batch[i].ToHumanReadable(false), priority, fields); err != nil {
				result <- errors.Wrapf(err, "cannot write event %d of %d to journald; is systemd-journald running?", i+1, len(batch))
				return
			}
		}
		result <- nil
	}()
	select {
	case err := <-result:
		return err
	case <-deadline:
		return errors.New(stuck)
	}
}

// await returns the cursors once everything that was sent is in the journal.
func (s *Store) await(sent []*pending, deadline <-chan time.Time) ([]string, error) {
	poll := time.NewTicker(writePoll)
	defer poll.Stop()
	for {
		err := s.Look()
		if cursors, all := s.cursors(sent); all {
			return cursors, nil
		} else if err != nil {
			return nil, err
		}
		select {
		case <-poll.C:
		case <-deadline:
			cursors, all := s.cursors(sent)
			if all {
				return cursors, nil
			}
			return nil, &events.UnavailableError{Backend: events.Journald, Reason: "cannot write event: of " + strconv.Itoa(len(sent)) + " sent, " +
				strconv.Itoa(len(cursors)) + " are in the journal after " + writeTimeout.String() +
				"; journald drops what exceeds its RateLimitBurst= (journald.conf), or has no room"}
		}
	}
}

// cursors returns those that are known, and whether all are.
func (s *Store) cursors(sent []*pending) (cursors []string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range sent {
		if p.cursor != "" {
			cursors = append(cursors, p.cursor)
		}
	}
	return cursors, len(cursors) == len(sent)
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
		fields["PODMAN_LABELS"] = string(events.AppendStringMap(nil, e.Attributes))
	}
	// Podman's readers of these types ask for fields that may be empty.
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
