package dbus

import (
	_ "embed" // the introspection data
	"math"
	"strings"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// The names of this service on the bus.
const (
	eventsInterface  = "io.podman.Events1" // the bus name, too
	eventsPath       = "/io/podman/Events1"
	subscriptionPath = eventsPath + "/subscription"
)

// The introspection data are written by hand. Their doc strings are the manual of the
// interface.
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

// caller returns the peer that calls.
func (k *call) caller() *core.Caller { return &core.Caller{Peer: *who(k.Peer())} }

// aside calls begin, which may have to wait for the user's turn, while other calls
// continue. What was begun is ended if the caller has disconnected by then.
func aside[T any](k *call, begin func() (T, error), end func(T)) (begun T, err error) {
	gone := k.Aside(func() { begun, err = begin() })
	if err == nil && gone != nil {
		end(begun)
		err = gone
	}
	return begun, err
}

// atStore runs the rest of a call, its reply included, when only the store is still
// needed. A store may be slow, or the caller may have to wait for a turn there; the
// calls of others continue meanwhile. Core bounds what one user may take of the store.
func (k *call) atStore(f func() error) (err error) {
	_ = k.Aside(func() { err = f() }) // the call has its reply
	return err
}

// interfaceOf returns the interface of the events. A test compares it with the
// introspection data.
func (s *Server) interfaceOf() *dbuswire.Interface {
	method := func(signature string, acts bool, handle func(*call, *dbuswire.Decoder) error) dbuswire.Method {
		return dbuswire.Method{Signature: signature, Acts: acts, Handle: func(k *dbuswire.Call, d *dbuswire.Decoder) error {
			return handle(&call{k, s}, d)
		}}
	}
	property := func(name, signature string, encode func(status *core.Status, e *dbuswire.Encoder)) dbuswire.Property {
		return dbuswire.Property{Name: name, Signature: signature, Encode: func(k *dbuswire.Call, e *dbuswire.Encoder) {
			status, _ := s.core.Status((&call{k, s}).caller()) // MayGet has already checked the permission
			encode(&status, e)
		}}
	}
	explicit := func(p dbuswire.Property) dbuswire.Property { p.Explicit = true; return p }
	return &dbuswire.Interface{
		Name: eventsInterface,
		Methods: map[string]dbuswire.Method{
			"GetEvents":    method("asa{sv}", false, (*call).getEvents),
			"GetLastEvent": method("as", false, (*call).getLastEvent),
			"GetState":     method("asa{sv}", false, (*call).getState),
			"WriteEvent":   method("a{sv}", true, (*call).writeEvent),
			"Subscribe":    method("sasa{sv}", true, (*call).subscribe),
			"Unsubscribe":  method("o", true, (*call).unsubscribe),
			"OpenStream":   method("asa{sv}", false, (*call).openStream),
		},
		// In the order of the introspection data.
		Properties: []dbuswire.Property{
			property("Version", "s", func(_ *core.Status, e *dbuswire.Encoder) { e.Text(dbuswire.CleanText(s.version)) }),
			property("Backend", "s", func(status *core.Status, e *dbuswire.Encoder) { e.Text(status.Backend) }),
			explicit(property("LogPath", "s", func(status *core.Status, e *dbuswire.Encoder) { e.Text(dbuswire.CleanText(status.Path)) })),
			explicit(property("EventTypes", "as", func(_ *core.Status, e *dbuswire.Encoder) { e.Texts(words(events.Types())) })),
			explicit(property("EventStatuses", "as", func(_ *core.Status, e *dbuswire.Encoder) { e.Texts(words(events.Statuses())) })),
			property("Subscribers", "u", func(status *core.Status, e *dbuswire.Encoder) {
				e.Uint32(uint32(min(max(0, status.Subscribers), math.MaxUint32)))
			}),
			property("SkippedLines", "t", func(status *core.Status, e *dbuswire.Encoder) { e.Uint64(status.Skipped) }),
		},
		MayGet: func(k *dbuswire.Call) error {
			_, err := s.core.Access().Read(who(k.Peer()))
			return err
		},
	}
}

// object returns the object at the path of a call. Subscriptions are visible only to
// their owner.
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

func words[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, word := range list {
		texts[i] = string(word)
	}
	return texts
}
