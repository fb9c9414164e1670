package client

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
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
	if utf8.Valid(frame) {
		// The strings of the payload share the memory of this copy.
		s := scan{text: string(frame)}
		err = env.scan(&s, into)
		if s.atEnd() {
			if env.errorName != "" {
				return false, serviceError(env.errorName, env.parameters)
			}
			return env.continues, err
		}
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
			start := s.pos
			if s.null() {
				continue
			}
			err = into.scan(s)
			if !s.odd {
				env.parameters = s.text[start:s.pos]
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
	event                 events.Event
	cursor                string
}

func (r *subscribeReply) scan(s *scan) error {
	*r = subscribeReply{}
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
			err = scanEvent(s, &r.event)
		case "cursor":
			once.twice(s, 3)
			r.cursor = s.strOrNull()
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
	r.event, err = fromWire(slow.Event)
	return err
}

// pageReply is a reply of GetEvents.
type pageReply struct {
	events   []events.Event
	cursor   string
	complete bool
}

func (r *pageReply) scan(s *scan) error {
	*r = pageReply{events: r.events[:0]}
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
				var e events.Event
				if bad := part.event(s, &e); bad != nil && err == nil {
					err = bad
				}
				r.events = append(r.events, e)
			}
		case "cursor":
			once.twice(s, 1)
			r.cursor = s.strOrNull()
		case "complete":
			once.twice(s, 2)
			r.complete = s.boolOrNull()
		default:
			other(s, key, "events", "cursor", "complete")
		}
	}
	return err
}

// copySize is how much of a page is copied at a time, in bytes: a program that
// keeps one event does not keep the page.
const copySize = 8 << 10

// copied is a copy of a part of a page.
type copied struct {
	scan
	start int // where it begins in the page
}

// event reads the event that comes next in the page. Where the copy does not hold
// all of it, it is made again from there on.
func (c *copied) event(page *scan, e *events.Event) error {
	if page.peek() == 'n' {
		page.giveUp()
		return nil
	}
	size := copySize
	for {
		if c.pos = page.pos - c.start; c.pos < len(c.text) {
			err := scanEvent(&c.scan, e)
			if !c.odd {
				page.pos = c.start + c.pos
				return err
			}
		}
		rest := page.text[page.pos:]
		if c.start == page.pos && len(c.text) == len(rest) {
			page.giveUp() // not for want of text
			return nil
		}
		*c, *e = copied{scan{text: strings.Clone(rest[:min(size, len(rest))])}, page.pos}, events.Event{}
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
		r.events = append(r.events, e)
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
