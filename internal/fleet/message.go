package fleet

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/line"
)

// The headers of a message, besides those of CloudEvents.
const (
	cursorHeader = "Eventsvc-Cursor"

	fenceHeader        = "Nats-Expected-Last-Subject-Sequence"
	fenceSubjectHeader = "Nats-Expected-Last-Subject-Sequence-Subject"
	batchHeader        = "Nats-Batch-Id"
	batchPlaceHeader   = "Nats-Batch-Sequence"
	batchCommitHeader  = "Nats-Batch-Commit"
)

// truncatedLabel is the label of an event whose inspect data, health log or labels were
// left out because the stream accepts no longer message.
const truncatedLabel = "io.podman.events.truncated"

// hostSubject is the subject of all events of a host. The fence compares it, so every
// writer of a host has to use exactly this string.
func hostSubject(host string) string { return eventsPrefix + host + ".>" }

// newMessage returns the message for an event of the host: the line of Podman's log
// with its origin, and the headers of a CloudEvent in binary mode. A consumer that
// forwards the event can use the same bytes.
func newMessage(host string, e *events.Event) (*nats.Msg, error) {
	plain := *e
	plain.Extra = nil // unknown members could fake an origin
	text, err := plain.AppendJSON(make([]byte, 0, 512))
	if err != nil {
		return nil, errors.WithMessage(err, "cannot encode an event")
	}
	uid := int64(-1)
	if e.UID != nil {
		uid = int64(*e.UID)
	}
	kind, status := string(e.Type), string(e.Status)
	m := nats.NewMsg(eventsPrefix + host + "." + token(kind) + "." + token(status))
	m.Data = line.AppendOrigin(text, host, uid, e.Cursor)
	// The names of CloudEvents are lower case, and must stay so.
	m.Header[cursorHeader] = []string{e.Cursor}
	m.Header["ce-specversion"] = []string{"1.0"}
	m.Header["ce-id"] = []string{e.Cursor}
	m.Header["ce-source"] = []string{"/hosts/" + host + "/podman"}
	m.Header["ce-type"] = []string{"io.podman." + token(kind) + "." + token(status)}
	m.Header["ce-time"] = []string{e.Time.UTC().Format(time.RFC3339Nano)}
	m.Header["ce-datacontenttype"] = []string{"application/json"}
	if e.Name != "" {
		m.Header["ce-subject"] = []string{url.PathEscape(e.Name)}
	}
	return m, nil
}

// newFitting is newMessage for an event whose message may be longer than the stream
// accepts, in bytes: it leaves out long parts.
func newFitting(host string, e *events.Event, most int) (*nats.Msg, error) {
	m, err := newMessage(host, e)
	if err != nil || m.Size() <= most {
		return m, err
	}
	short := *e
	short.ContainerInspectData, short.HealthLog = "", ""
	short.Attributes = map[string]string{}
	maps.Copy(short.Attributes, e.Attributes)
	short.Attributes[truncatedLabel] = "true"
	if m, err = newMessage(host, &short); err != nil || m.Size() <= most {
		return m, err
	}
	short.Attributes = map[string]string{truncatedLabel: "true"}
	if m, err = newMessage(host, &short); err != nil || m.Size() <= most {
		return m, err
	}
	for _, word := range []*string{&short.Name, &short.ID, &short.Image, &short.Network, &short.HealthStatus, &short.Error} {
		*word = strings.ToValidUTF8((*word)[:min(len(*word), longestWord)], "")
	}
	short.Status = events.Status(token(string(short.Status)))
	short.Type = events.Type(token(string(short.Type)))
	return newMessage(host, &short)
}

// longestWord bounds each member, in bytes, of an event that is still too long without
// its long parts.
const longestWord = 256

// lostStatus is the status of the event that reports a gap.
const lostStatus = "events-lost"

// newLost returns the event that reports events lost between two cursors. Its own
// cursor is the one from which reading continues.
func newLost(host, after, oldest string, now time.Time) events.Event {
	e := events.Event{
		Type: events.System, Status: lostStatus, Time: now, Name: host, Cursor: oldest,
		Details: events.Details{Attributes: map[string]string{"after": after, "oldest": oldest}},
	}
	if host != "" {
		e.Attributes["host"] = host
	}
	return e
}

// lostLine returns the line of a collected log that reports such a gap in a source.
func lostLine(source, after, oldest string, uid int64, cursor string) ([]byte, error) {
	e := newLost("", after, oldest, time.Now())
	e.Name = source
	text, err := e.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	return line.AppendOrigin(text, "", uid, cursor), nil
}

// fence makes the server accept the message only if the host's last message still has
// this sequence.
func fence(m *nats.Msg, host string, last uint64) {
	m.Header[fenceHeader] = []string{strconv.FormatUint(last, 10)}
	m.Header[fenceSubjectHeader] = []string{hostSubject(host)}
}
