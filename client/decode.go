package client

import (
	"encoding/json"
	"strings"
	"unsafe"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// envelope is what every reply has.
type envelope struct {
	parameters string // JSON text
	errorName  string
	continues  bool
}

// payload are the parameters of a reply, read in either of two ways with the
// same result: by scan, fast, or by encoding/json where scan gives up.
type payload interface {
	scan(s *scan) error
	unmarshal(text []byte) error
}

// decode reads a reply. The error is that of the service if it sent one.
func decode(frame []byte, into payload) (continues bool, err error) {
	var env envelope
	// The text is that of the frame, which changes with the next one: what is kept of
	// it is copied.
	s := newScan(unsafe.String(unsafe.SliceData(frame), len(frame)))
	err = env.scan(&s, into)
	if s.atEnd() {
		if env.errorName != "" {
			return false, serviceError(strings.Clone(env.errorName), strings.Clone(env.parameters))
		}
		return env.continues, err
	}
	var slow struct {
		Parameters json.RawMessage `json:"parameters"`
		Continues  bool            `json:"continues"`
		Error      string          `json:"error"`
	}
	if err := json.Unmarshal(frame, &slow); err != nil {
		return false, notUnderstood(err)
	}
	if slow.Error != "" {
		return false, serviceError(slow.Error, string(slow.Parameters))
	}
	if len(slow.Parameters) == 0 {
		slow.Parameters = json.RawMessage("{}")
	}
	return slow.Continues, into.unmarshal(slow.Parameters)
}

func notUnderstood(err error) error {
	return errors.Wrap(err, "cannot understand the reply of the service")
}

// seen notices members that are given twice.
type seen uint32

func (m *seen) twice(s *scan, bit uint) {
	if *m>>bit&1 != 0 {
		s.giveUp()
	}
	*m |= 1 << bit
}

// other goes after the value of a member that is not known, which a newer
// service may send. encoding/json does not care for case, the service does:
// one that differs in case only is odd.
func other(s *scan, key string, known ...string) {
	for _, name := range known {
		if strings.EqualFold(key, name) {
			s.giveUp()
			return
		}
	}
	s.skip()
}

func (env *envelope) scan(s *scan, into payload) error {
	var once seen
	var err error
	for key := range s.members() {
		switch key {
		case "parameters":
			once.twice(s, 0)
			s.peek()
			start := s.Pos
			if s.null() {
				continue
			}
			err = into.scan(s)
			if !s.odd {
				env.parameters = s.text[start:s.Pos]
			}
		case "continues":
			once.twice(s, 1)
			env.continues = s.boolOrNull()
		case "error":
			once.twice(s, 2)
			env.errorName = s.strOrNull()
		default:
			other(s, key, "parameters", "continues", "error")
		}
	}
	return err
}

// subscribeReply is a reply of Subscribe.
type subscribeReply struct {
	ready, live, hasEvent bool
	event                 sentEvent
	labels                []string // memory for those of the event
	cursor                string
}

func (r *subscribeReply) scan(s *scan) error {
	*r = subscribeReply{labels: r.labels[:0]}
	var once seen
	var err error
	for key := range s.members() {
		switch key {
		case "ready":
			once.twice(s, 0)
			r.ready = s.boolOrNull()
		case "live":
			once.twice(s, 1)
			r.live = s.boolOrNull()
		case "event":
			once.twice(s, 2)
			if s.null() {
				continue
			}
			r.hasEvent = true
			var part copied
			r.labels, err = part.event(s, &r.event, r.labels)
		case "cursor":
			once.twice(s, 3)
			if r.cursor = s.strOrNull(); r.cursor == r.event.Cursor {
				r.cursor = r.event.Cursor
			} else {
				r.cursor = strings.Clone(r.cursor)
			}
		default:
			other(s, key, "ready", "live", "event", "cursor")
		}
	}
	return err
}

func (r *subscribeReply) unmarshal(text []byte) error {
	var slow struct {
		Ready  bool                  `json:"ready"`
		Live   bool                  `json:"live"`
		Event  *iopodmanevents.Event `json:"event"`
		Cursor string                `json:"cursor"`
	}
	*r = subscribeReply{}
	if err := json.Unmarshal(text, &slow); err != nil {
		return notUnderstood(err)
	}
	r.ready, r.live, r.cursor = slow.Ready, slow.Live, slow.Cursor
	if slow.Event == nil {
		return nil
	}
	var err error
	r.hasEvent = true
	r.event.Event, err = fromWire(slow.Event)
	return err
}

// pageReply is a reply of GetEvents.
type pageReply struct {
	events   []sentEvent
	labels   []string // memory for those of the events
	cursor   string
	complete bool
}

func (r *pageReply) scan(s *scan) error {
	*r = pageReply{events: r.events[:0], labels: r.labels[:0]}
	var once seen
	var err error
	for key := range s.members() {
		switch key {
		case "events":
			once.twice(s, 0)
			if s.null() {
				continue
			}
			var part copied
			for range s.elements() {
				r.events = append(r.events, sentEvent{})
				var bad error
				r.labels, bad = part.event(s, &r.events[len(r.events)-1], r.labels)
				if bad != nil && err == nil {
					err = bad
				}
			}
		case "cursor":
			once.twice(s, 1)
			r.cursor = strings.Clone(s.strOrNull())
		case "complete":
			once.twice(s, 2)
			r.complete = s.boolOrNull()
		default:
			other(s, key, "events", "cursor", "complete")
		}
	}
	return err
}

// copySize is how much of a reply is copied at a time, in bytes: a program that
// keeps one event does not keep the page.
const copySize = 8 << 10

// copied is a copy of a part of a reply.
type copied struct {
	scan
	start int // where it begins in the reply
}

// event reads the event that comes next in the reply. Where the copy does not hold
// all of it, it is made again from there on.
func (c *copied) event(reply *scan, e *sentEvent, labels []string) (more []string, err error) {
	if reply.peek() == 'n' {
		reply.giveUp()
		return labels, nil
	}
	size := copySize
	for {
		if c.Pos = reply.Pos - c.start; c.Pos < len(c.text) {
			more, err := e.scan(&c.scan, labels)
			if !c.odd {
				reply.Pos = c.start + c.Pos
				return more, err
			}
		}
		rest := reply.text[reply.Pos:]
		if c.start == reply.Pos && len(c.text) == len(rest) {
			reply.giveUp() // not for want of text
			return labels, nil
		}
		*c, *e = copied{newScan(strings.Clone(rest[:min(size, len(rest))])), reply.Pos}, sentEvent{}
		size *= 8
	}
}

func (r *pageReply) unmarshal(text []byte) error {
	var slow struct {
		Events   []iopodmanevents.Event `json:"events"`
		Cursor   string                 `json:"cursor"`
		Complete bool                   `json:"complete"`
	}
	*r = pageReply{events: r.events[:0]}
	if err := json.Unmarshal(text, &slow); err != nil {
		return notUnderstood(err)
	}
	r.cursor, r.complete = slow.Cursor, slow.Complete
	for i := range slow.Events {
		e, err := fromWire(&slow.Events[i])
		if err != nil {
			return err
		}
		r.events = append(r.events, sentEvent{Event: e})
	}
	return nil
}

// simple is a payload that is too rare or too small for scan.
type simple struct{ into any }

func (r simple) scan(s *scan) error {
	s.giveUp()
	return nil
}

func (r simple) unmarshal(text []byte) error {
	if err := json.Unmarshal(text, r.into); err != nil {
		return notUnderstood(err)
	}
	return nil
}
