package dbus

import (
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// pageEvent is about the maximum length of an event in a page.
const pageEvent = limits.DBusPageEvent

// pageOptions are the options of GetEvents.
var pageOptions = map[string]string{"since": "s", "until": "s", "after": "s", "limit": dbuswire.AnyInteger, "all_users": "b"}

// getEvents replies with one page of past events.
func (k *call) getEvents(d *dbuswire.Decoder) error {
	q, o, err := query(d, pageOptions)
	if err != nil {
		return err
	}
	most := int64(limits.PageEvents)
	if limit, ok := o["limit"]; ok {
		most, _ = limit.Integer(0, 0)
	}
	return k.atStore(func() error {
		p, err := k.server.core.Pages(k.Context(), k.caller(), q, most)
		if err != nil {
			return err
		}
		defer p.Close()
		page := newPage()
		end, err := p.Next(page)
		if err != nil {
			return err
		}
		return k.Reply("a("+eventSignature+")sb", page.finish(end))
	})
}

// page is a reply of GetEvents being built.
type page struct {
	dbuswire.Encoder
	list   dbuswire.Array
	before int // its length before the last event
}

func newPage() *page {
	p := new(page)
	p.list = p.Begin(8)
	return p
}

// Add adds an event.
func (p *page) Add(r *feed.Record) (size int) {
	p.before = len(p.Buf)
	p.Align(8)
	appendEvent(&p.Encoder, r, pageEvent)
	return p.Size()
}

// Drop removes the event added last.
func (p *page) Drop() { p.Buf = p.Buf[:p.before] }

// finish returns the body: the events, the cursor after them, and whether that is the
// end of the store.
func (p *page) finish(end core.End) []byte {
	p.End(p.list)
	p.Text(end.Cursor)
	p.Bool(end.Complete)
	return p.Bytes()
}

// getLastEvent replies with the newest matching event.
func (k *call) getLastEvent(d *dbuswire.Decoder) error {
	q, _, err := query(d, nil)
	if err != nil {
		return err
	}
	return k.atStore(func() error {
		return k.server.core.Last(k.Context(), k.caller(), q, func(r *feed.Record) error {
			e := dbuswire.NewEncoder(nil)
			appendEvent(&e, r, pageEvent)
			return k.Reply("("+eventSignature+")", e.Bytes())
		})
	})
}
