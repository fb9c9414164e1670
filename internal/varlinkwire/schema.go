package varlinkwire

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink/idl"
)

// schema is what the description of an interface says about calls.
type schema struct {
	types   map[string]*idl.Type
	methods map[string]methodSchema
}

type methodSchema struct {
	in        *idl.Type
	needsMore bool
}

// needsMoreMark is the mark that systemd writes, and reads, in the comment of a method
// that must be called with 'more' (SD_VARLINK_REQUIRES_MORE).
const needsMoreMark = "[Requires 'more' flag]"

// parseSchema reads the description of an interface.
func parseSchema(description string) (*schema, error) {
	parsed, err := idl.New(description)
	if err != nil {
		return nil, errors.Wrap(err, "cannot understand the description of the interface")
	}
	s := &schema{types: make(map[string]*idl.Type), methods: make(map[string]methodSchema)}
	for _, alias := range parsed.Aliases {
		s.types[alias.Name] = alias.Type
	}
	for _, m := range parsed.Methods {
		s.methods[m.Name] = methodSchema{in: m.In, needsMore: strings.Contains(m.Doc, needsMoreMark)}
	}
	for _, m := range parsed.Methods {
		if err := s.resolves(m.In, 0); err != nil {
			return nil, errors.WithMessagef(err, "cannot understand method %s of interface %s", m.Name, parsed.Name)
		}
	}
	return s, nil
}

// maxTypeDepth bounds how deeply types may be nested. limits.Depth bounds parameters in
// any case.
const maxTypeDepth = 16

// resolves returns an error for types that are used and not declared.
func (s *schema) resolves(t *idl.Type, depth int) error {
	switch {
	case t == nil || depth > maxTypeDepth:
		return nil
	case t.Kind == idl.TypeAlias && s.types[t.Alias] == nil:
		return errors.Errorf("type %q is not declared", t.Alias)
	case t.Kind == idl.TypeAlias:
		return s.resolves(s.types[t.Alias], depth+1)
	}
	for _, field := range t.Fields {
		if err := s.resolves(field.Type, depth+1); err != nil {
			return err
		}
	}
	return s.resolves(t.ElementType, depth+1)
}

// check checks the parameters of a call against the description. It returns the name of
// the first invalid field, and whether all are valid. A field is invalid if it is
// unknown, missing, given twice, of another type, a number that is not an integer of 64
// bits, or not a member of its enum. For nested fields it is the inner one; for an
// array or a map, the field that contains it.
func (s *schema) check(m methodSchema, parameters []byte) (field string, ok bool) {
	return s.checkStruct(m.in, parameters, memberParameters)
}

func (s *schema) checkStruct(t *idl.Type, value []byte, name string) (field string, ok bool) {
	if !isObject(value) {
		return name, false
	}
	var given nameSet
	ok = true
	members(value, func(name, value []byte) bool {
		i := fieldOf(t, name)
		if i < 0 || !given.add(name) {
			field, ok = string(name), false
			return false
		}
		field, ok = s.checkValue(t.Fields[i].Type, value, t.Fields[i].Name)
		return ok
	})
	if !ok {
		return field, false
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Type.Kind != idl.TypeMaybe && !given.has(f.Name) {
			return f.Name, false
		}
	}
	return "", true
}

// checkValue checks a value against its type. name is the field that contains it.
func (s *schema) checkValue(t *idl.Type, value []byte, name string) (field string, ok bool) {
	switch t.Kind {
	case idl.TypeMaybe:
		return s.checkMaybe(t, value, name)
	case idl.TypeAlias:
		return s.checkValue(s.types[t.Alias], value, name)
	case idl.TypeStruct:
		return s.checkStruct(t, value, name)
	case idl.TypeArray:
		return s.checkArray(t, value, name)
	case idl.TypeMap:
		return s.checkMap(t, value, name)
	case idl.TypeEnum:
		ok = isString(value) && fieldOf(t, unquote(value)) >= 0
	case idl.TypeBool:
		ok = isBool(value)
	case idl.TypeInt:
		_, err := strconv.ParseInt(string(value), 10, 64)
		ok = isNumber(value) && err == nil
	case idl.TypeFloat:
		var f float64
		ok = isNumber(value) && json.Unmarshal(value, &f) == nil
	case idl.TypeString:
		ok = isString(value)
	case idl.TypeObject:
		ok = isObject(value)
	}
	if !ok {
		return name, false
	}
	return "", true
}

func (s *schema) checkMaybe(t *idl.Type, value []byte, name string) (string, bool) {
	if isNull(value) {
		return "", true
	}
	return s.checkValue(t.ElementType, value, name)
}

func (s *schema) checkArray(t *idl.Type, value []byte, name string) (field string, ok bool) {
	if !isArray(value) {
		return name, false
	}
	ok = true
	elements(value, func(element []byte) bool {
		field, ok = s.checkValue(t.ElementType, element, name)
		return ok
	})
	return field, ok
}

func (s *schema) checkMap(t *idl.Type, value []byte, name string) (field string, ok bool) {
	if !isObject(value) {
		return name, false
	}
	var given nameSet
	ok = true
	members(value, func(key, element []byte) bool {
		if !given.add(key) {
			field, ok = name, false
			return false
		}
		field, ok = s.checkValue(t.ElementType, element, name)
		return ok
	})
	return field, ok
}

// fieldOf returns the index of the field of a struct, or the word of an enum, that has
// this name, -1 if there is none.
func fieldOf(t *idl.Type, name []byte) int {
	return slices.IndexFunc(t.Fields, func(f idl.TypeField) bool { return f.Name == string(name) })
}

// Check returns a function that checks parameters against a method of an interface's
// description. It returns the first invalid field, "" if all are valid.
func Check(description, method string) (func(parameters []byte) (field string), error) {
	s, err := parseSchema(description)
	if err != nil {
		return nil, err
	}
	m, ok := s.methods[method]
	if !ok {
		return nil, errors.Errorf("the interface has no method %s", method)
	}
	return func(parameters []byte) string {
		field, _ := s.check(m, parameters)
		return field
	}, nil
}
