package dbus

import (
	_ "embed" // the introspection data
	"math"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
)

// The names of this service on the bus.
const (
	eventsInterface  = "io.podman.Events1" // the bus name, too
	eventsPath       = "/io/podman/Events1"
	subscriptionPath = eventsPath + "/subscription"
)

// The introspection data are written by hand. Their documentation strings are
// the manual of the interface.
var (
	//go:embed io.podman.Events1.xml
	eventsXML string
	//go:embed subscription.xml
	subscriptionXML string
)

// call is a call to this server.
type call struct {
	*dbuswire.Call
	server *Server
}

// interfaceOf returns the interface of the events. The introspection data
// describe the same; a test compares the two.
func (s *Server) interfaceOf() *dbuswire.Interface {
	method := func(signature string, acts bool, handle func(*call, *dbuswire.Decoder) error) dbuswire.Method {
		return dbuswire.Method{Signature: signature, Acts: acts, Handle: func(k *dbuswire.Call, d *dbuswire.Decoder) error {
			return handle(&call{k, s}, d)
		}}
	}
	property := func(name, signature string, encode func(k *call, e *dbuswire.Encoder)) dbuswire.Property {
		return dbuswire.Property{Name: name, Signature: signature, Encode: func(k *dbuswire.Call, e *dbuswire.Encoder) {
			encode(&call{k, s}, e)
		}}
	}
	return &dbuswire.Interface{
		Name: eventsInterface,
		Methods: map[string]dbuswire.Method{
			"GetEvents":    method("asa{sv}", false, (*call).getEvents),
			"GetLastEvent": method("as", false, (*call).getLastEvent),
			"WriteEvent":   method("a{sv}", true, (*call).writeEvent),
			"Subscribe":    method("sasa{sv}", true, (*call).subscribe),
			"Unsubscribe":  method("o", true, (*call).unsubscribe),
			"OpenStream":   method("asa{sv}", false, (*call).openStream),
		},
		// In the order of the introspection data.
		Properties: []dbuswire.Property{
			property("Version", "s", func(_ *call, e *dbuswire.Encoder) { e.Text(dbuswire.CleanText(s.version)) }),
			property("Backend", "s", func(_ *call, e *dbuswire.Encoder) { e.Text(s.feed.Type().String()) }),
			property("LogPath", "s", func(k *call, e *dbuswire.Encoder) { e.Text(k.logPath()) }),
			property("EventTypes", "as", func(_ *call, e *dbuswire.Encoder) { e.Texts(words(events.Types())) }),
			property("EventStatuses", "as", func(_ *call, e *dbuswire.Encoder) { e.Texts(words(events.Statuses())) }),
			property("Subscribers", "u", func(_ *call, e *dbuswire.Encoder) { e.Uint32(s.subscribers()) }),
			property("SkippedLines", "t", func(_ *call, e *dbuswire.Encoder) { e.Uint64(s.feed.Status().Skipped) }),
		},
		MayGet: func(k *dbuswire.Call) error {
			_, err := s.access.Read(who(k.Peer()))
			return err
		},
	}
}

// object returns the object at the path of a call. Subscriptions are shown to
// their owner alone.
func (s *Server) object(k *dbuswire.Call) *dbuswire.Object {
	switch path := k.Path; {
	case path == eventsPath:
		return &dbuswire.Object{Interfaces: []*dbuswire.Interface{s.events}, XML: eventsXML, Children: []string{"subscription"}}
	case path == subscriptionPath:
		return &dbuswire.Object{Children: s.subscriptions.tokens(k.Peer())}
	case path == "/", strings.HasPrefix(eventsPath, path+"/"):
		below := strings.TrimPrefix(eventsPath, strings.TrimSuffix(path, "/")+"/")
		name, _, _ := strings.Cut(below, "/")
		return &dbuswire.Object{Children: []string{name}}
	case s.subscriptions.at(k.Peer(), path) != nil:
		return &dbuswire.Object{XML: subscriptionXML}
	}
	return nil
}

// subscribers returns how many subscribers the service has. Our own broadcasts
// are none.
func (s *Server) subscribers() uint32 {
	n := s.feed.Subscribers()
	return uint32(min(max(0, n), math.MaxUint32))
}

// logPath is where the events are kept; "" for those who may not know.
func (k *call) logPath() string {
	if !k.server.access.ReadsAll(who(k.Peer())) {
		return ""
	}
	return dbuswire.CleanText(k.server.feed.Path())
}

func words[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, word := range list {
		texts[i] = string(word)
	}
	return texts
}

// getLastEvent answers with the newest matching event.
func (k *call) getLastEvent(d *dbuswire.Decoder) error {
	filters := decodeFilters(d)
	if err := d.Done(); err != nil {
		return err
	}
	query, err := k.query(filters, false)
	if err != nil {
		return err
	}
	batch := batches.Get().(*feed.Batch)
	defer batches.Put(batch)
	record, err := k.server.feed.Last(k.Context(), query, batch)
	if err != nil {
		return errors.WithMessage(err, "cannot find the newest event")
	}
	e := dbuswire.NewEncoder(nil)
	appendEvent(&e, record, pageEvent)
	return k.Reply("("+eventSignature+")", e.Bytes())
}
