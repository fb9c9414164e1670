package config

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/nearest"
)

// settingsFile is the name of eventsvc's own configuration.
const (
	settingsFile   = "eventsvc.toml"
	settingsSuffix = ".toml"
)

// Key describes the values of a key of eventsvc's own configuration.
type Key struct {
	// List: it takes several values, as an array, or a single value.
	List bool
}

// Setting is what the files set for a key.
type Setting struct {
	origin
	// Values are the values as text: one, unless the key takes a list.
	Values []string
}

// Settings is eventsvc's own configuration: for each key, the setting of the last file
// that has it; a list is replaced as a whole.
type Settings struct {
	// Files are the files that were read, in order.
	Files []string
	// ByKey are the settings, without keys that no file has.
	ByKey map[string]Setting
}

// settingsFiles returns the existing files of eventsvc's own configuration, in the
// order in which they are read: eventsvc.toml of the first of /etc/eventsvc,
// /run/eventsvc, /usr/local/lib/eventsvc and /usr/lib/eventsvc that has one, and then
// the drop-ins of all of them, eventsvc.toml.d/*.toml, sorted by name, where earlier
// directories hide files of the same name. For a user other than root, only
// $XDG_CONFIG_HOME/eventsvc (~/.config/eventsvc) is used.
func settingsFiles(env Environment) ([]string, error) {
	dirs, err := settingsDirs(env)
	if err != nil {
		return nil, err
	}
	if env.rootless() && len(dirs) > 0 {
		// A home that this user cannot access is not the user's own.
		if _, err := env.stat(filepath.Join(dirs[0], settingsFile)); errors.Is(err, fs.ErrPermission) {
			return nil, nil
		}
	}
	return confFiles(env, dirs, settingsFile, settingsSuffix)
}

// HookFiles returns the existing files of hooks: hooks.d/*.toml in the directories of
// settingsFiles, sorted by name, where earlier directories hide files of the same name.
func HookFiles(env Environment) ([]string, error) {
	dirs, err := settingsDirs(env)
	if err != nil {
		return nil, err
	}
	return dropInFiles(env, dirs, "hooks", settingsSuffix)
}

func settingsDirs(env Environment) ([]string, error) {
	if !env.rootless() {
		return below(systemDirs, serviceName), nil
	}
	dir, err := configHome(env)
	if err != nil || dir == "" {
		return nil, err
	}
	return []string{filepath.Join(dir, serviceName)}, nil
}

// ReadSettings reads eventsvc's own configuration: the files of settingsFiles, or only
// the named one, which must exist. An unknown key, an invalid value and an unreadable
// file are errors that name the file and the line.
func ReadSettings(env Environment, named string, keys map[string]Key) (*Settings, error) {
	s := &Settings{Files: []string{named}, ByKey: map[string]Setting{}}
	if named == "" {
		var err error
		if s.Files, err = settingsFiles(env); err != nil {
			return nil, err
		}
	}
	for _, path := range s.Files {
		text, err := readConf(env, path)
		if err != nil {
			return nil, err
		}
		if err := s.overlay(path, text, keys); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// overlay adds the settings of a file, which win over those of earlier files.
func (s *Settings) overlay(path string, text []byte, keys map[string]Key) error {
	const advice = "correct the file"
	if err := checkDepth(text); err != nil {
		return refuse("read "+path, err, advice)
	}
	var said map[string]any
	if err := decode(text, &said); err != nil {
		return misread(path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		setting := Setting{origin: origin{file: path, line: lineOfKey(text, name), key: name}}
		key, known := keys[name]
		if !known {
			return unknownKey(setting, said[name], keys)
		}
		var err error
		if setting.Values, err = textsOf(said[name], key.List); err != nil {
			return refuse("use "+setting.String(), err, advice)
		}
		s.ByKey[name] = setting
	}
	return nil
}

// misread returns the error for a text that is not TOML.
func misread(path string, err error) error {
	reason := err.Error()
	var place toml.ParseError
	if errors.As(err, &place) {
		path += ":" + strconv.Itoa(place.Position.Line)
		reason = place.Message
	}
	return refuse("read "+path, errors.New(strings.TrimSuffix(reason, ".")), "correct the file, which is TOML")
}

// unknownKey returns the error for an unknown key. It names the nearest valid one.
func unknownKey(s Setting, value any, keys map[string]Key) error {
	advice := "the keys are " + strings.Join(slices.Sorted(maps.Keys(keys)), ", ")
	if _, isTable := value.(map[string]any); isTable {
		advice = "there are no tables in this file"
	}
	if near := nearest.Word(strings.ReplaceAll(strings.ToLower(s.key), "_", "-"), slices.Sorted(maps.Keys(keys))); near != "" {
		advice = fmt.Sprintf("did you mean %q?", near)
	}
	return refuse("use "+s.String(), errors.New("there is no such key"), advice)
}

// textsOf turns a TOML value into text, as a flag takes it.
func textsOf(value any, list bool) ([]string, error) {
	items, isArray := value.([]any)
	switch {
	case isArray && !list:
		return nil, errors.New("want one value, found an array")
	case !isArray:
		items = []any{value}
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		switch item := item.(type) {
		case string:
			texts = append(texts, item)
		case int64:
			texts = append(texts, strconv.FormatInt(item, 10))
		case float64:
			texts = append(texts, strconv.FormatFloat(item, 'g', -1, 64))
		case bool:
			texts = append(texts, strconv.FormatBool(item))
		default:
			return nil, errors.Errorf("want a string, a number, true or false, found %s", kind(item))
		}
	}
	return texts, nil
}

// probe stops the decoder at a value. Its error then names the line.
type probe struct{}

// UnmarshalTOML implements toml.Unmarshaler.
func (*probe) UnmarshalTOML(any) error { return errors.New("probe") }

// lineOfKey finds the line of a key that the text contains, in the given tables, 0 if it
// cannot be found: it decodes the text again, into a struct with only this key, which
// stops the decoder there.
func lineOfKey(text []byte, path ...string) int {
	shape := reflect.TypeFor[probe]()
	for _, key := range slices.Backward(path) {
		if strings.ContainsAny(key, "\"`\\\n") {
			return 0
		}
		shape = reflect.StructOf([]reflect.StructField{{Name: "Key", Type: shape, Tag: reflect.StructTag(`toml:"` + key + `"`)}})
	}
	var stopped toml.ParseError
	_ = errors.As(decode(text, reflect.New(shape).Interface()), &stopped)
	return stopped.Position.Line
}
