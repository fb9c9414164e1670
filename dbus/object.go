package dbus

import (
	"os"
	"strings"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/feed"
)

// The names of this service on the bus.
const (
	eventsInterface  = "io.podman.Events1" // the bus name, too
	eventsPath       = "/io/podman/Events1"
	subscriptionPath = eventsPath + "/subscription"
)

// The interfaces of D-Bus itself.
const (
	introspectable = "org.freedesktop.DBus.Introspectable"
	peerInterface  = "org.freedesktop.DBus.Peer"
	properties     = "org.freedesktop.DBus.Properties"
)

// method is a method of an interface.
type method struct {
	signature string // of its arguments
	handle    func(k *call, d *decoder) error
	// acts is whether it does something even where nobody waits for a reply.
	acts bool
}

// interfaces are the methods of each interface. The introspection data describe
// the same; a test holds the two against each other.
var interfaces = map[string]map[string]method{
	introspectable: {
		"Introspect": {signature: "", handle: (*call).introspect},
	},
	peerInterface: {
		"Ping":         {signature: "", handle: (*call).ping},
		"GetMachineId": {signature: "", handle: (*call).getMachineID},
	},
	properties: {
		"Get":    {signature: "ss", handle: (*call).getProperty},
		"GetAll": {signature: "s", handle: (*call).getAllProperties},
		"Set":    {signature: "ssv", handle: (*call).setProperty},
	},
	eventsInterface: {
		"GetEvents":    {signature: "asa{sv}", handle: (*call).getEvents},
		"GetLastEvent": {signature: "as", handle: (*call).getLastEvent},
		"WriteEvent":   {signature: "a{sv}", handle: (*call).writeEvent, acts: true},
		"Subscribe":    {signature: "sasa{sv}", handle: (*call).subscribe, acts: true},
		"Unsubscribe":  {signature: "o", handle: (*call).unsubscribe, acts: true},
		"OpenStream":   {signature: "asa{sv}", handle: (*call).openStream},
	},
}

// interfacesOf returns the interfaces of an object, nil if there is no such
// object for the caller.
func (k *call) interfacesOf(path string) []string {
	switch {
	case path == eventsPath:
		return []string{introspectable, peerInterface, properties, eventsInterface}
	case path == subscriptionPath, path == "/", strings.HasPrefix(eventsPath, path+"/"),
		k.conn.subscription(k.peer, path) != nil:
		return []string{introspectable, peerInterface}
	}
	return nil
}

// dispatch finds the method that is called, holds the arguments against its
// signature and calls it.
func (k *call) dispatch() error {
	served := k.interfacesOf(k.path)
	// Every library answers Peer on whatever path it is asked.
	if served == nil && k.iface == peerInterface {
		served = []string{peerInterface}
	}
	if served == nil {
		return standard(errUnknownObject, "there is no object "+k.path+"; the events are at "+eventsPath)
	}
	m, err := k.find(served)
	if err != nil {
		return err
	}
	if k.signature != m.signature {
		return invalidArgs("the arguments of " + k.member + " have the types '" + k.signature + "', and should have '" +
			m.signature + "'")
	}
	if k.flags&godbus.FlagNoReplyExpected != 0 && !m.acts {
		return nil
	}
	return m.handle(k, &decoder{b: k.body, order: k.order})
}

// find finds the method. A call may leave out the interface.
func (k *call) find(served []string) (method, error) {
	known := false
	for _, name := range served {
		if k.iface != "" && k.iface != name {
			continue
		}
		known = true
		if m, ok := interfaces[name][k.member]; ok {
			return m, nil
		}
	}
	if !known {
		return method{}, standard(errUnknownInterface, "the object "+k.path+" has no interface "+k.iface)
	}
	return method{}, standard(errUnknownMethod, "the object "+k.path+" has no method "+k.member+" there")
}

// wrongBody is returned for a body that is not what its signature says.
func wrongBody(err error) error {
	return invalidArgs("the arguments cannot be decoded: " + err.Error())
}

func (k *call) ping(*decoder) error { return k.reply("", nil) }

// getMachineID answers with the ID of this host, machine-id(5).
func (k *call) getMachineID(*decoder) error {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			e := newEncoder(nil)
			e.string(cleanText(strings.TrimSpace(string(id))))
			return k.reply("s", e.bytes())
		}
	}
	return standard(errFileNotFound, "this host has no machine ID; see machine-id(5)")
}

// getLastEvent answers with the newest matching event.
func (k *call) getLastEvent(d *decoder) error {
	filters, err := decodeFilters(d)
	if err == nil {
		err = d.done()
	}
	if err != nil {
		return wrongBody(err)
	}
	query, err := k.query(filters, false)
	if err != nil {
		return err
	}
	batch := batches.Get().(*feed.Batch)
	defer batches.Put(batch)
	record, err := k.conn.server.feed.Last(k.peer.ctx, query, batch)
	if err != nil {
		return errors.WithMessage(err, "cannot find the newest event")
	}
	e := newEncoder(nil)
	e.appendEvent(record, pageEvent)
	return k.reply("("+eventSignature+")", e.bytes())
}
