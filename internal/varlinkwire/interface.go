package varlinkwire

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink"
)

// Dispatcher is what varlink/go's generator makes of an interface, with its VarlinkNew.
type Dispatcher interface {
	VarlinkDispatch(ctx context.Context, c varlink.Call, methodname string) error
	VarlinkGetName() string
	VarlinkGetDescription() string
}

// Interface is an interface to be served, with what the Server needs to know about it.
// Its Dispatcher decodes the parameters of a call before it calls Watch, and keeps no
// part of the text.
// Calls that do not match its description, and calls of methods that it does not have,
// never reach the Dispatcher.
type Interface struct {
	Dispatcher
	// Admit is called before the parameters of a call are checked. Its error is sent as
	// org.varlink.service.PermissionDenied. nil admits every peer.
	Admit func(c *Call, method string) error
	// Unavailable makes the error reply to any call that cannot be served: there are
	// too many connections, or the handler panicked. The name is that of an error of
	// the interface; parameters is a struct for encoding/json. The reason is for
	// people. It must not be nil.
	Unavailable func(reason string) (name string, parameters any)
	// IsPartOfMore: the interface once had more methods than are described here. Others
	// get MethodNotImplemented instead of MethodNotFound.
	IsPartOfMore bool
}

// served is an interface with its parsed description.
type served struct {
	Interface
	schema  *schema
	pattern varlink.Call
}

// libraryCall makes the call that varlink/go's bindings take. The parts that they read
// from it have been parsed already, so it is not parsed again.
func (i *served) libraryCall(call *Call, r *request) varlink.Call {
	parameters := json.RawMessage(r.parameters)
	in := *i.pattern.In
	in.Method, in.More, in.Oneway, in.Parameters = r.method, r.more, r.oneway, &parameters
	made := i.pattern
	made.Conn, made.In = call, &in
	return made
}

// pattern captures a call of varlink/go, which has no function to make one except from
// a frame.
type pattern struct {
	Dispatcher
	call varlink.Call
}

func (p *pattern) VarlinkDispatch(_ context.Context, call varlink.Call, _ string) error {
	p.call = call
	return nil
}

// patternOf returns a call of the interface as a pattern for others.
func patternOf(d Dispatcher) (varlink.Call, error) {
	library, err := varlink.NewService("", "", "", "")
	if err != nil {
		return varlink.Call{}, err
	}
	p := &pattern{Dispatcher: d}
	if err := library.RegisterInterface(p); err != nil {
		return varlink.Call{}, err
	}
	err = library.HandleMessage(context.Background(), nil, []byte(`{"method":"`+d.VarlinkGetName()+`.Any"}`))
	return p.call, err
}

// registerAll registers the interfaces of the options.
func (s *Server) registerAll() error {
	o := &s.options
	if len(o.Interfaces) == 0 {
		return errors.New("cannot serve Varlink: there are no interfaces")
	}
	var err error
	if s.own, err = parseSchema(serviceDescription); err != nil {
		return err
	}
	for _, i := range o.Interfaces {
		if err := s.register(i); err != nil {
			return err
		}
	}
	s.names = append(s.names, serviceInterface)
	slices.Sort(s.names)
	return nil
}

// register adds an interface, before any connection is served.
func (s *Server) register(i Interface) error {
	name := i.VarlinkGetName()
	if i.Unavailable == nil {
		return errors.Errorf("cannot serve interface %s: its Unavailable is nil", name)
	}
	schema, err := parseSchema(i.VarlinkGetDescription())
	if err != nil {
		return errors.WithMessagef(err, "cannot serve interface %s", name)
	}
	pattern, err := patternOf(i.Dispatcher)
	if err != nil {
		return errors.Wrapf(err, "cannot serve interface %s", name)
	}
	if s.interfaces[name] != nil {
		return errors.Errorf("cannot serve interface %s twice", name)
	}
	if s.first == "" {
		s.first = name
	}
	s.interfaces[name] = &served{i, schema, pattern}
	s.names = append(s.names, name)
	return nil
}

// unavailable returns the fault for a call of an interface that cannot be served. For
// an unknown interface it is the first interface's.
func (s *Server) unavailable(iface, reason string) *Fault {
	i := s.interfaces[iface]
	if i == nil {
		i = s.interfaces[s.first]
	}
	name, parameters := i.Unavailable(reason)
	return &Fault{name, parameters}
}
