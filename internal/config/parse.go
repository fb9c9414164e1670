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
func (o origin) String() string {
	if o.line == 0 {
		return fmt.Sprintf("%s in %s", o.key, o.file)
	}
	return fmt.Sprintf("%s in %s:%d", o.key, o.file, o.line)
}

// word is a string setting. The zero value is one that no file contains; an empty one
// with an origin was reset by that file.
type word struct {
	value  string
	origin origin
}

// size is a setting in bytes; set distinguishes 0 from nothing.
type size struct {
	bytes  int64
	set    bool
	origin origin
}

// settings are the keys of containers.conf that determine where events go.
type settings struct {
	logger  word // events_logger
	path    word // events_logfile_path
	tmpDir  word // tmp_dir
	maxSize size // events_logfile_max_size
}

// overlay adds the settings of a later file, which win.
func (s *settings) overlay(later settings) {
	for _, pair := range []struct{ below, above *word }{
		{&s.logger, &later.logger},
		{&s.path, &later.path},
		{&s.tmpDir, &later.tmpDir},
	} {
		if pair.above.origin != (origin{}) {
			*pair.below = *pair.above
		}
	}
	if later.maxSize.set {
		s.maxSize = later.maxSize
	}
}

// speakOfEvents reports whether any file has an event setting.
func (s *settings) speakOfEvents() bool {
	return s.logger.value != "" || s.path.value != "" || s.tmpDir.value != "" || s.maxSize.set
}

// entry records one TOML value as it is decoded. As a probe, it stops the decoder
// there, whose error then names the line.
type entry struct {
	value   any
	present bool
	probe   bool
}

var errProbe = errors.New("probe")

// UnmarshalTOML implements toml.Unmarshaler.
func (e *entry) UnmarshalTOML(value any) error {
	if e.probe {
		return errProbe
	}
	e.value, e.present = value, true
	return nil
}

// document is the part of containers.conf that is read. As in Podman, it is decoded by
// the names of its fields, whose case does not matter.
type document struct {
	Engine engine `toml:"engine"`
}

type engine struct {
	Logger  entry `toml:"events_logger"`
	Path    entry `toml:"events_logfile_path"`
	TmpDir  entry `toml:"tmp_dir"`
	MaxSize entry `toml:"events_logfile_max_size"`
}

// parse parses the text of one containers.conf, called name in errors and origins. It
// accepts valid TOML with the right types for the few keys that are read, unless it is
// nested absurdly deeply.
func parse(name string, text []byte) (settings, error) {
	if err := checkDepth(text); err != nil {
		return settings{}, refuse("read "+name, err, "make it a containers.conf")
	}
	reader := reader{name: name, text: text}
	if err := decode(text, &reader.doc); err != nil {
		return settings{}, malformed(name, text, err)
	}
	found := settings{
		logger:  reader.word("events_logger", func(e *engine) *entry { return &e.Logger }, quoted(backends)),
		path:    reader.word("events_logfile_path", func(e *engine) *entry { return &e.Path }, "an absolute path in quotes"),
		tmpDir:  reader.word("tmp_dir", func(e *engine) *entry { return &e.TmpDir }, "an absolute path in quotes"),
		maxSize: reader.size("events_logfile_max_size", func(e *engine) *entry { return &e.MaxSize }),
	}
	if reader.err != nil {
		return settings{}, reader.err
	}
	return found, nil
}

// reader turns the entries of a document into settings and keeps the first error.
type reader struct {
	name string
	text []byte
	doc  document
	err  error
}

func (r *reader) word(key string, of func(*engine) *entry, want string) word {
	entry := of(&r.doc.Engine)
	if !entry.present || r.err != nil {
		return word{}
	}
	at := r.origin(key, of)
	value, ok := entry.value.(string)
	if !ok {
		r.err = refuse("use "+at.String(), errors.Errorf("want a string, found %s", kind(entry.value)), "write "+want)
	}
	return word{value: value, origin: at}
}

func (r *reader) size(key string, of func(*engine) *entry) size {
	entry := of(&r.doc.Engine)
	if !entry.present || r.err != nil {
		return size{}
	}
	const advice = `write bytes as 1000000, or a string as "500k", "1m" or "10g"`
	at := r.origin(key, of)
	var text string
	switch value := entry.value.(type) {
	case string:
		text = value
	case int64:
		text = strconv.FormatInt(value, 10)
	case float64:
		text = strconv.FormatFloat(value, 'f', -1, 64)
	default:
		r.err = refuse("use "+at.String(), errors.Errorf("want a size, found %s", kind(value)), advice)
		return size{}
	}
	if text == "" {
		return size{}
	}
	bytes, err := parseSize(text)
	if err != nil {
		r.err = refuse("use "+at.String(), err, advice)
	}
	return size{bytes: bytes, set: true, origin: at}
}

// origin finds the line of a key that the text contains: it decodes the text again, up
// to that key.
func (r *reader) origin(key string, of func(*engine) *entry) origin {
	var probing document
	of(&probing.Engine).probe = true
	return origin{file: r.name, line: lineOf(decode(r.text, &probing)), key: "engine." + key}
}

// lineOf returns the line in which the decoder stopped, 0 if unknown.
func lineOf(err error) int {
	var stopped toml.ParseError
	if errors.As(err, &stopped) {
		return stopped.Position.Line
	}
	return 0
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
	var probing struct {
		Engine entry `toml:"engine"`
	}
	probing.Engine.probe = true
	at := origin{file: name, line: lineOf(decode(text, &probing)), key: "engine"}
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
