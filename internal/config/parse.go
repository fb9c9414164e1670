package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/pkg/errors"
)

// origin is the place that a value comes from.
type origin struct {
	file string
	line int // from 1; 0 if unknown
	key  string
}

// String returns the origin as people read it.
func (o origin) String() string { return o.key + " in " + o.Origin() }

// Origin returns the file and the line, if that is known.
func (o origin) Origin() string {
	if o.line == 0 {
		return o.file
	}
	return fmt.Sprintf("%s:%d", o.file, o.line)
}

// entry is a setting. The zero value is one that no file contains; an empty string with
// an origin was reset by that file.
type entry[T any] struct {
	value  T
	origin origin
}

func (e *entry[T]) isSet() bool { return e.origin != origin{} }

// overlay replaces the setting by that of a later file, if that has it.
func (e *entry[T]) overlay(later entry[T]) {
	if later.isSet() {
		*e = later
	}
}

// settings are the keys of containers.conf that determine where events go.
type settings struct {
	logger  entry[string] // events_logger
	path    entry[string] // events_logfile_path
	tmpDir  entry[string] // tmp_dir
	maxSize entry[int64]  // events_logfile_max_size, in bytes
}

// overlay adds the settings of a later file, which win.
func (s *settings) overlay(later settings) {
	s.logger.overlay(later.logger)
	s.path.overlay(later.path)
	s.tmpDir.overlay(later.tmpDir)
	s.maxSize.overlay(later.maxSize)
}

// speakOfEvents reports whether any file has an event setting.
func (s *settings) speakOfEvents() bool {
	return s.logger.value != "" || s.path.value != "" || s.tmpDir.value != "" || s.maxSize.isSet()
}

// document is the part of containers.conf that is read. As in Podman, it is decoded by
// the names of its fields, whose case does not matter. An absent value is nil.
type document struct {
	Engine struct {
		Logger  any `toml:"events_logger"`
		Path    any `toml:"events_logfile_path"`
		TmpDir  any `toml:"tmp_dir"`
		MaxSize any `toml:"events_logfile_max_size"`
	} `toml:"engine"`
}

// parse parses the text of one containers.conf, called name in errors and origins. It
// accepts valid TOML with the right types for the few keys that are read, unless it is
// nested absurdly deeply.
func parse(name string, text []byte) (settings, error) {
	if err := checkDepth(text); err != nil {
		return settings{}, refuse("read "+name, err, "make it a containers.conf")
	}
	var doc document
	if err := decode(text, &doc); err != nil {
		return settings{}, malformed(name, text, err)
	}
	r := reader{name: name, text: text}
	found := settings{
		logger:  r.word("events_logger", doc.Engine.Logger, quoted(backends)),
		path:    r.word("events_logfile_path", doc.Engine.Path, "an absolute path in quotes"),
		tmpDir:  r.word("tmp_dir", doc.Engine.TmpDir, "an absolute path in quotes"),
		maxSize: r.size("events_logfile_max_size", doc.Engine.MaxSize),
	}
	if r.err != nil {
		return settings{}, r.err
	}
	return found, nil
}

// reader turns the values of a document into settings and keeps the first error.
type reader struct {
	name string
	text []byte
	err  error
}

func (r *reader) word(key string, value any, want string) (e entry[string]) {
	if value == nil || r.err != nil {
		return e
	}
	e.origin = r.origin(key)
	var ok bool
	if e.value, ok = value.(string); !ok {
		r.err = refuse("use "+e.origin.String(), errors.Errorf("want a string, found %s", kind(value)), "write "+want)
	}
	return e
}

func (r *reader) size(key string, value any) (e entry[int64]) {
	if value == nil || value == "" || r.err != nil {
		return e
	}
	e.origin = r.origin(key)
	var err error
	switch value := value.(type) {
	case string:
		e.value, err = parseSize(value)
	case int64:
		e.value, err = parseSize(strconv.FormatInt(value, 10))
	case float64:
		e.value, err = parseSize(strconv.FormatFloat(value, 'f', -1, 64))
	default:
		err = errors.Errorf("want a size, found %s", kind(value))
	}
	if err != nil {
		r.err = refuse("use "+e.origin.String(), err, `write bytes as 1000000, or a string as "500k", "1m" or "10g"`)
	}
	return e
}

// origin returns the place of a key that the text contains.
func (r *reader) origin(key string) origin {
	return origin{file: r.name, line: lineOfKey(r.text, "engine", key), key: "engine." + key}
}

// decode decodes TOML into a pointer to a document, or to a part of one.
func decode(text []byte, target any) error {
	_, err := toml.NewDecoder(bytes.NewReader(text)).Decode(target)
	return err
}

// malformed returns the error for a text that is not TOML or, the only other thing that
// can fail, whose engine is not a table.
func malformed(name string, text []byte, err error) error {
	var place toml.ParseError
	if errors.As(err, &place) {
		return refuse(fmt.Sprintf("parse %s:%d:%d", name, place.Position.Line, max(place.Position.Col, 1)),
			errors.New(strings.TrimSuffix(place.Message, ".")), "correct the file, Podman refuses it too")
	}
	at := origin{file: name, line: lineOfKey(text, "engine"), key: "engine"}
	return refuse("use "+at.String(), errors.New("it is not a table"), "write [engine] on a line of its own and its keys below it")
}

// kind returns the type of a TOML value, in words for people.
func kind(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case []any, []map[string]any:
		return "an array"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}
