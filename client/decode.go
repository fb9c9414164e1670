package client

import (
	"encoding/json"
	"slices"
	"strings"
	"unsafe"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// envelope is the common part of all replies.
type envelope struct {
	parameters string // JSON text
	errorName  string
	continues  bool
}

// payload is the parameters of a reply, decoded in one of two ways with the same
// result: fast, by scan, or by encoding/json where scan gives up.
type payload interface {
	scan(s *scan)
	unmarshal(text []byte) error
}

// decode decodes a reply. The error is the service's, if it sent one.
func decode(frame []byte, into payload) (continues bool, err error) {
	var env envelope
	// The text shares the frame's memory, which the next frame overwrites: what is kept
	// is copied.
	s := newScan(unsafe.String(unsafe.SliceData(frame), len(frame)))
	if env.scan(&s, into); s.atEnd() {
		if env.errorName != "" {
			return false, serviceError(strings.Clone(env.errorName), strings.Clone(env.parameters))
		}
		return env.continues, nil
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

// seen detects repeated members.
type seen uint32

func (m *seen) twice(s *scan, bit uint) {
	if *m>>bit&1 != 0 {
		s.giveUp()
	}
	*m |= 1 << bit
}

// other skips the value of an unknown member, which a newer service may send.
// encoding/json ignores case, the service does not: a name that differs only in case is
// odd.
func other(s *scan, key string, known ...string) {
	for _, name := range known {
		if strings.EqualFold(key, name) {
			s.giveUp()
			return
		}
	}
	s.skip()
}

func (env *envelope) scan(s *scan, into payload) {
	var once seen
	for key := range s.members() {
		switch key := s.plain(key); key {
		case "parameters":
			once.twice(s, 0)
			s.peek()
			start := s.Pos
			if s.null() {
				continue
			}
			if into.scan(s); !s.odd {
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
}

// subscribeReply is a reply of Subscribe. Its event has to be read before the next
// reply.
type subscribeReply struct {
	ready, live, hasEvent bool
	event                 sentEvent
	cursor                string
	spans                 []jsonscan.Span // of the labels
}

func (r *subscribeReply) scan(s *scan) {
	*r = subscribeReply{spans: r.spans}
	s.spans = r.spans[:0]
	defer func() { r.spans = s.spans }()
	var once seen
	for key := range s.members() {
		switch key := s.plain(key); key {
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
			r.event.scan(s)
		case "cursor":
			once.twice(s, 3)
			r.cursor = strings.Clone(s.strOrNull())
		default:
			other(s, key, "ready", "live", "event", "cursor")
		}
	}
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
	e, err := fromWire(slow.Event)
	r.hasEvent, r.event.odd = true, &e
	return err
}

// pageReply is a reply of GetEvents.
type pageReply struct {
	memory   []byte // contains its events; from a frame that was handed over
	copies   bool   // the text is copied from the frame, which is overwritten
	events   []sentEvent
	spans    []jsonscan.Span // of their labels
	copied   copied
	cursor   string
	complete bool
}

func (r *pageReply) scan(s *scan) {
	r.reset()
	if r.copies {
		own := newScan(strings.Clone(s.text))
		own.Pos = s.Pos
		*s = own
	}
	s.spans = r.spans[:0]
	defer func() { r.spans = s.spans }()
	var once seen
	for key := range s.members() {
		switch key := s.plain(key); key {
		case "events":
			once.twice(s, 0)
			if s.null() {
				continue
			}
			for range s.elements() {
				r.events = slices.Grow(r.events, 1)[:len(r.events)+1]
				r.events[len(r.events)-1].scan(s)
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
}

func (r *pageReply) unmarshal(text []byte) error {
	var slow struct {
		Events   []iopodmanevents.Event `json:"events"`
		Cursor   string                 `json:"cursor"`
		Complete bool                   `json:"complete"`
	}
	r.reset()
	if err := json.Unmarshal(text, &slow); err != nil {
		return notUnderstood(err)
	}
	r.cursor, r.complete = slow.Cursor, slow.Complete
	for i := range slow.Events {
		e, err := fromWire(&slow.Events[i])
		if err != nil {
			return err
		}
		r.events = append(r.events, sentEvent{odd: &e})
	}
	return nil
}

func (r *pageReply) reset() {
	*r = pageReply{memory: r.memory, copies: r.copies, events: r.events[:0], spans: r.spans}
}

// simple is a payload that is too rare or too small for scan.
type simple struct{ into any }

func (r simple) scan(s *scan) { s.giveUp() }

func (r simple) unmarshal(text []byte) error {
	if err := json.Unmarshal(text, r.into); err != nil {
		return notUnderstood(err)
	}
	return nil
}
