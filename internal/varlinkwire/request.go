package varlinkwire

import (
	"strings"

	"github.com/pkg/errors"
)

// request is a call as the client sent it.
type request struct {
	method     string // including the interface
	parameters []byte // an object
	more       bool
	oneway     bool
	upgrade    bool   // the client wants to switch the connection to another protocol
	fault      *Fault // what is wrong with it, if it can be answered
}

// The members of a call (https://varlink.org/Method-Call).
const (
	memberMethod     = "method"
	memberParameters = "parameters"
	memberMore       = "more"
	memberOneway     = "oneway"
	memberUpgrade    = "upgrade"
)

var noParameters = []byte("{}")

// parseRequest parses a frame, without its NUL. The error says why it is not a call, or
// not one that could be answered: then the connection has to end, since client and
// service no longer agree on the protocol. Errors that can be answered become the
// request's fault.
//
// Members of a call that Varlink does not define are ignored: that is how it may be
// extended. A repeated member is an error, since it is ambiguous.
func parseRequest(frame []byte) (request, error) {
	var r request
	if err := checkJSON(frame); err != nil {
		return r, err
	}
	start := skipSpace(frame, 0)
	if !isObject(frame[start:]) {
		return r, errors.New("it is not an object")
	}
	if err := r.readMembers(frame[start:]); err != nil {
		return r, err
	}
	switch {
	case r.more && r.oneway:
		return r, errors.New("it sets both 'more' and 'oneway'")
	case r.fault != nil:
	case r.method == "":
		r.fault = InvalidParameter(memberMethod)
	case strings.LastIndexByte(r.method, '.') <= 0 || strings.HasSuffix(r.method, "."):
		r.fault = InvalidParameter(memberMethod)
	}
	if r.parameters == nil {
		r.parameters = noParameters
	}
	return r, nil
}

// readMembers reads the members of a call.
func (r *request) readMembers(object []byte) error {
	var seen nameSet
	var err error
	members(object, func(name, value []byte) bool {
		switch string(name) {
		case memberMethod, memberParameters, memberMore, memberOneway, memberUpgrade:
		default:
			return true
		}
		if !seen.add(name) {
			err = errors.Errorf("its member %q is given twice", name)
			return false
		}
		if isNull(value) {
			return true
		}
		if ok := r.readMember(name, value); !ok && r.fault == nil {
			r.fault = InvalidParameter(string(name))
		}
		return true
	})
	return err
}

// readMember reads one member. It returns false if the value is invalid.
func (r *request) readMember(name, value []byte) bool {
	switch string(name) {
	case memberMethod:
		if !isString(value) {
			return false
		}
		r.method = string(unquote(value))
	case memberParameters:
		if !isObject(value) {
			return false
		}
		r.parameters = value
	case memberMore:
		r.more = isTrue(value)
		return isBool(value)
	case memberOneway:
		r.oneway = isTrue(value)
		return isBool(value)
	case memberUpgrade:
		r.upgrade = isTrue(value)
		return isBool(value)
	}
	return true
}

// split returns the interface and the method of the call.
func (r *request) split() (iface, method string) {
	dot := strings.LastIndexByte(r.method, '.')
	return r.method[:dot], r.method[dot+1:]
}
