package dbuswire

import (
	"os"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// The standard D-Bus interfaces, which every object has.
const (
	IntrospectableInterface = "org.freedesktop.DBus.Introspectable"
	PeerInterface           = "org.freedesktop.DBus.Peer"
	PropertiesInterface     = "org.freedesktop.DBus.Properties"
)

// Method is a method of an interface.
type Method struct {
	// Signature is the signature of its arguments.
	Signature string
	// Handle handles the call and replies with Reply, or returns an error.
	Handle func(k *Call, d *Decoder) error
	// Acts: it does something even if the caller wants no reply.
	Acts bool
}

// Property is a property of an interface. Properties are read-only.
type Property struct {
	Name, Signature string
	// Encode appends its value.
	Encode func(k *Call, e *Encoder)
	// Explicit keeps a long value out of GetAll, and so out of the output of
	// introspection tools, as with sd-bus: only Get returns it. In the introspection
	// data it has org.freedesktop.systemd1.Explicit.
	Explicit bool
}

// Interface is an interface of an object.
type Interface struct {
	Name       string
	Methods    map[string]Method
	Properties []Property
	// MayGet returns an error if the caller may not read the properties; nil:
	// every caller may.
	MayGet func(k *Call) error
}

// Object is what is served at a path.
type Object struct {
	// Interfaces are its own, in addition to Introspectable and Peer, and Properties if
	// one of them has any.
	Interfaces []*Interface
	// XML describes these interfaces, as elements of introspection data.
	XML string
	// Children are the names of the objects directly below it.
	Children []string
}

// dispatch finds the method, checks the arguments against its signature and calls it.
func (k *Call) dispatch() error {
	object := k.conn.service.o.Object(k)
	if object == nil {
		// As in every library, Peer exists on every path.
		if m, ok := peerMethods.Methods[k.Member]; ok && k.Interface == PeerInterface && k.Signature == m.Signature {
			return m.Handle(k, k.decoder())
		}
		return &Error{ErrUnknownObject, "there is no object " + k.Path + " here"}
	}
	m, err := k.find(object)
	if err != nil {
		return err
	}
	if k.Signature != m.Signature {
		return InvalidArgs("the arguments of " + k.Member + " have the types '" + k.Signature + "', and should have '" +
			m.Signature + "'")
	}
	if k.Flags&godbus.FlagNoReplyExpected != 0 && !m.Acts {
		return nil
	}
	return m.Handle(k, k.decoder())
}

func (k *Call) decoder() *Decoder { return &Decoder{b: k.body, order: k.order} }

// find finds the method. A call may omit the interface.
func (k *Call) find(object *Object) (Method, error) {
	known := false
	for _, list := range []func() []*Interface{object.own, object.standard} {
		for _, i := range list() {
			if k.Interface != "" && k.Interface != i.Name {
				continue
			}
			known = true
			if m, ok := i.Methods[k.Member]; ok {
				return m, nil
			}
		}
	}
	if !known {
		return Method{}, &Error{ErrUnknownInterface, "the object " + k.Path + " has no interface " + k.Interface}
	}
	return Method{}, &Error{ErrUnknownMethod, "the object " + k.Path + " has no method " + k.Member + " there"}
}

func (o *Object) own() []*Interface { return o.Interfaces }

// standard returns the object's standard D-Bus interfaces.
func (o *Object) standard() []*Interface {
	list := []*Interface{introspectMethods(o), peerMethods}
	if o.hasProperties() {
		list = append(list, propertyMethods(o))
	}
	return list
}

// peerMethods is the interface Peer.
var peerMethods = &Interface{Name: PeerInterface, Methods: map[string]Method{
	"Ping":         {Handle: func(k *Call, _ *Decoder) error { return k.Reply("", nil) }},
	"GetMachineId": {Handle: getMachineID},
}}

// getMachineID replies with the ID of this host, machine-id(5).
func getMachineID(k *Call, _ *Decoder) error {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			e := NewEncoder(nil)
			e.Text(CleanText(strings.TrimSpace(string(id))))
			return k.Reply("s", e.Bytes())
		}
	}
	return &Error{ErrFileNotFound, "this host has no machine ID; see machine-id(5)"}
}
