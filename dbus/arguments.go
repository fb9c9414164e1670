package dbus

import (
	"time"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// query reads filters and, if there is a table of them, options, to the end of the
// body, and makes a query of them. Too many filters are an error in the filters, not in
// the message: core gets one more than is allowed, and reports it.
func query(d *dbuswire.Decoder, table map[string]string) (core.Query, dbuswire.Values, error) {
	p := core.Parameters{Filters: d.Texts(limits.Filters + 1)}
	var o dbuswire.Values
	if table != nil {
		var err error
		if o, err = d.Options("option", table); err != nil {
			return core.Query{}, nil, err
		}
	}
	if err := d.Done(); err != nil {
		return core.Query{}, nil, err
	}
	p.Since, p.Until, p.After = text(o, "since"), text(o, "until"), text(o, "after")
	p.FromStart, p.AllUsers = o["from_start"].Truth, o["all_users"].Truth
	q, err := p.Query(time.Now())
	return q, o, err
}

// text returns the value of a string option, nil if it was not given.
func text(o dbuswire.Values, key string) *string {
	if v, ok := o[key]; ok {
		return &v.Text
	}
	return nil
}

// integer returns the value of a numeric option, nil if it was not given.
func integer(o dbuswire.Values, key string) *int64 {
	v, ok := o[key]
	if !ok {
		return nil
	}
	n, _ := v.Integer(0, 0)
	return &n
}
