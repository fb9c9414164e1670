package varlinkwire

import (
	"encoding/json"

	"github.com/pkg/errors"
)

// serviceInterface is the interface that every Varlink service has
// (https://varlink.org/Service). varlink/go's own implementation lacks the errors that
// systemd added and does not sort, so it is not used.
const serviceInterface = "org.varlink.service"

const serviceDescription = `# What every Varlink service says about itself
interface org.varlink.service

# Who the service is, and which interfaces it has
method GetInfo() -> (
  # Who made the service
  vendor: string,
  # Name of the service
  product: string,
  # Version of the service
  version: string,
  # Where to read about the service
  url: string,
  # Names of its interfaces, sorted
  interfaces: []string
)

# The description of an interface, in the interface definition language of Varlink
method GetInterfaceDescription(
  # Name of the interface
  interface: string
) -> (
  # Its description
  description: string
)

# The service has no such interface
error InterfaceNotFound(
  # Name of the interface
  interface: string
)

# The interface has no such method
error MethodNotFound(
  # Name of the method, with its interface
  method: string
)

# The interface has the method, but the service does not
error MethodNotImplemented(
  # Name of the method, with its interface
  method: string
)

# A parameter is unknown, missing, given twice, of another type, or out of range
error InvalidParameter(
  # Name of the parameter, or of the field within it
  parameter: string
)

# The caller may not do that
error PermissionDenied()

# The method has to be called with 'more'
error ExpectedMore()
`

// info is the reply of GetInfo.
type info struct {
	Vendor     string   `json:"vendor"`
	Product    string   `json:"product"`
	Version    string   `json:"version"`
	URL        string   `json:"url"`
	Interfaces []string `json:"interfaces"`
}

// handleService answers the calls of org.varlink.service.
func (s *Server) handleService(call *Call, r *request, method string) error {
	m, ok := s.own.methods[method]
	if !ok {
		return call.Reply(methodNotFound(r.method))
	}
	if r.upgrade {
		return call.Reply(InvalidParameter(memberUpgrade))
	}
	if field, ok := s.own.check(m, r.parameters); !ok {
		return call.Reply(InvalidParameter(field))
	}
	if method == "GetInfo" {
		return call.replyParameters(info{s.options.Vendor, s.options.Product, s.options.Version, s.options.URL, s.names})
	}
	var in struct {
		Interface string `json:"interface"`
	}
	if err := json.Unmarshal(r.parameters, &in); err != nil {
		return call.Reply(InvalidParameter(memberParameters))
	}
	description := serviceDescription
	if in.Interface != serviceInterface {
		i := s.interfaces[in.Interface]
		if i == nil {
			return call.Reply(interfaceNotFound(in.Interface))
		}
		description = i.VarlinkGetDescription()
	}
	return call.replyParameters(struct {
		Description string `json:"description"`
	}{description})
}

// replyParameters sends the one reply of a call.
func (c *Call) replyParameters(parameters any) error {
	text, err := json.Marshal(parameters)
	if err != nil {
		return errors.Wrap(err, "cannot encode a reply")
	}
	frame := append([]byte(nil), `{"parameters":`...)
	return c.WriteFrame(append(append(frame, text...), "}\x00"...))
}
