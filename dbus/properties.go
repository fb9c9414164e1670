package dbus

import (
	"math"

	"github.com/eventsvc/eventsvc/events"
)

// property is a property of the interface of this service. None can be set, and
// no change of one is announced.
type property struct {
	name      string
	signature string
	encode    func(k *call, e *encoder)
}

// eventsProperties are the properties, in the order of the introspection data.
var eventsProperties = [...]property{
	{"Version", "s", func(k *call, e *encoder) { e.string(cleanText(k.conn.server.version)) }},
	{"Backend", "s", func(k *call, e *encoder) { e.string(k.conn.server.feed.Type().String()) }},
	{"LogPath", "s", func(k *call, e *encoder) { e.string(k.logPath()) }},
	{"EventTypes", "as", func(_ *call, e *encoder) { e.strings(words(events.Types())) }},
	{"EventStatuses", "as", func(_ *call, e *encoder) { e.strings(words(events.Statuses())) }},
	{"Subscribers", "u", func(k *call, e *encoder) { e.uint32(k.conn.server.subscribers()) }},
	{"SkippedLines", "t", func(k *call, e *encoder) { e.uint64(k.conn.server.feed.Status().Skipped) }},
}

// subscribers returns how many subscribers the service has. Our own broadcasts
// are none.
func (s *Server) subscribers() uint32 {
	n := s.feed.Subscribers()
	return uint32(min(max(0, n), math.MaxUint32))
}

// logPath is where the events are kept; "" for those who may not know.
func (k *call) logPath() string {
	if !k.conn.server.access.ReadsAll(&k.peer.Peer) {
		return ""
	}
	return cleanText(k.conn.server.feed.Path())
}

func words[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, word := range list {
		texts[i] = string(word)
	}
	return texts
}

// mayLook refuses those who may not read events at all.
func (k *call) mayLook() error {
	_, err := k.conn.server.access.Read(&k.peer.Peer)
	return err
}

// getProperty answers Properties.Get.
func (k *call) getProperty(d *decoder) error {
	iface, name := d.string(), d.string()
	if err := d.done(); err != nil {
		return wrongBody(err)
	}
	p, err := findProperty(iface, name)
	if err != nil {
		return err
	}
	if err := k.mayLook(); err != nil {
		return err
	}
	e := newEncoder(nil)
	e.signature(p.signature)
	p.encode(k, &e)
	return k.reply("v", e.bytes())
}

// getAllProperties answers Properties.GetAll. Interfaces of D-Bus have none.
func (k *call) getAllProperties(d *decoder) error {
	iface := d.string()
	if err := d.done(); err != nil {
		return wrongBody(err)
	}
	if err := k.mayLook(); err != nil {
		return err
	}
	e := newEncoder(nil)
	a := e.begin(8)
	switch iface {
	case eventsInterface, "":
		for i := range eventsProperties {
			p := &eventsProperties[i]
			e.entry(p.name, p.signature)
			p.encode(k, &e)
		}
	case introspectable, peerInterface, properties:
	default:
		return standard(errUnknownInterface, "the object has no interface "+shorten(iface))
	}
	e.end(a)
	return k.reply("a{sv}", e.bytes())
}

// setProperty answers Properties.Set: nothing can be set.
func (k *call) setProperty(d *decoder) error {
	iface, name := d.string(), d.string()
	d.skip(d.signature())
	if err := d.done(); err != nil {
		return wrongBody(err)
	}
	if _, err := findProperty(iface, name); err != nil {
		return err
	}
	return standard(errReadOnly, "the property "+name+" cannot be set")
}

// findProperty finds a property. A call may leave out the interface.
func findProperty(iface, name string) (*property, error) {
	switch iface {
	case eventsInterface, "":
	case introspectable, peerInterface, properties:
		return nil, standard(errUnknownProperty, "the interface "+iface+" has no properties")
	default:
		return nil, standard(errUnknownInterface, "the object has no interface "+shorten(iface))
	}
	for i := range eventsProperties {
		if eventsProperties[i].name == name {
			return &eventsProperties[i], nil
		}
	}
	return nil, standard(errUnknownProperty, "there is no property '"+shorten(name)+"'")
}
