package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/fleet"
)

// The flags of serve that control how it is started, and are not options of the
// service: no file sets them.
const (
	configFlag = "config"
	checkFlag  = "check-config"
	helpFlag   = "help"
)

// options are the flags of serve after the configuration files were read, and the
// origin of each value. A file sets the flag of the same name, unless it was given on
// the command line.
type options struct {
	flags *pflag.FlagSet
	// files are the files that were read.
	files []string
	// origins are FILE:LINE, or commandLine, by the name of the flag; a flag with its
	// default is not included.
	origins map[string]string
}

// commandLine is the origin of a flag that no file set.
const commandLine = "command line"

// isOption reports whether files may set a flag.
func isOption(f *pflag.Flag) bool {
	return f.Name != configFlag && f.Name != checkFlag && f.Name != helpFlag
}

// optionsOf returns the options as the command line sets them.
func optionsOf(flags *pflag.FlagSet) *options {
	o := &options{flags: flags, origins: map[string]string{}}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed && isOption(f) {
			o.origins[f.Name] = commandLine
		}
	})
	return o
}

// readOptions sets from the configuration files what the command line did not set: from
// the named file, or those of the user if named is "".
func readOptions(flags *pflag.FlagSet, env config.Environment, named string) (*options, error) {
	o := optionsOf(flags)
	keys := map[string]config.Key{}
	flags.VisitAll(func(f *pflag.Flag) {
		if isOption(f) {
			_, isList := f.Value.(pflag.SliceValue)
			keys[f.Name] = config.Key{List: isList}
		}
	})
	said, err := config.ReadSettings(env, named, keys)
	if err != nil {
		return nil, err
	}
	o.files = said.Files
	for _, name := range slices.Sorted(maps.Keys(said.ByKey)) {
		setting := said.ByKey[name]
		if o.origins[name] == commandLine {
			continue
		}
		err := checkValues(name, setting.Values)
		if err == nil {
			err = setFlag(flags.Lookup(name), setting.Values)
		}
		if err != nil {
			return nil, errors.Errorf("cannot use %s in %s: %v; correct the file", name, setting.Origin(), err)
		}
		o.origins[name] = setting.Origin()
	}
	return o, nil
}

// checkValues refuses an empty value in a file, an empty list of filters, which would
// mean all events, and a relative path: a service is started in a directory of its
// manager's choice, and '~' has no meaning here.
func checkValues(name string, values []string) error {
	if name == "filter" && len(values) == 0 {
		return errors.New("the list is empty, which would mean all events; give a filter, or leave the key out")
	}
	for _, value := range values {
		if value == "" {
			return errors.New("its value is empty; give one, or leave the key out")
		}
		path := value
		switch name {
		case "log-file", "journal-directory", "log", "creds", "nkey", "tls-ca", "tls-cert", "tls-key":
		case "listen", "metrics":
			var isPath bool
			if path, isPath = strings.CutPrefix(value, "unix:"); !isPath || strings.HasPrefix(path, "@") {
				continue
			}
		default:
			return nil
		}
		if !filepath.IsAbs(path) {
			return errors.Errorf("the path of %q is relative; give an absolute one", value)
		}
	}
	return nil
}

// valuesOf returns the values of a flag, one unless it takes a list.
func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func setFlag(f *pflag.Flag, values []string) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	return f.Value.Set(values[0])
}

// again reads the configuration files once more, for the same command line, into flags
// that have their defaults.
func (o *options) again(fresh *pflag.FlagSet, env config.Environment) (*options, error) {
	var failed error
	o.flags.VisitAll(func(f *pflag.Flag) {
		if o.origins[f.Name] != commandLine && isOption(f) || !f.Changed || failed != nil {
			return
		}
		failed = setFlag(fresh.Lookup(f.Name), valuesOf(f))
	})
	if failed != nil {
		return nil, failed
	}
	return readOptions(fresh, env, fresh.Lookup(configFlag).Value.String())
}

// blame adds to an error which file set the flags that it is about.
func (o *options) blame(err error, names ...string) error {
	if err == nil {
		return nil
	}
	var places []string
	for _, name := range names {
		if origin := o.origins[name]; origin != "" && origin != commandLine {
			places = append(places, name+" is set in "+origin)
		}
	}
	if len(places) == 0 {
		return err
	}
	return errors.Errorf("%v (%s)", err, strings.Join(places, ", "))
}

// textOf returns the value of a flag as people write it.
func textOf(f *pflag.Flag) string { return strings.Join(valuesOf(f), " ") }

// changed returns the names of the flags whose value differs from that in before.
func (o *options) changed(before *options) []string {
	var names []string
	o.flags.VisitAll(func(f *pflag.Flag) {
		if isOption(f) && textOf(f) != textOf(before.flags.Lookup(f.Name)) {
			names = append(names, f.Name)
		}
	})
	return names
}

// source returns where the value of a flag comes from.
func (o *options) source(name string) string {
	if origin := o.origins[name]; origin != "" {
		return origin
	}
	return "default"
}

// describe lists every flag that is set, and where.
func (o *options) describe() []string {
	var lines []string
	o.flags.VisitAll(func(f *pflag.Flag) {
		if isOption(f) && o.origins[f.Name] != "" {
			lines = append(lines, fmt.Sprintf("%s = %s: %s", f.Name, quotedText(f), o.source(f.Name)))
		}
	})
	return lines
}

// quotedText returns the value of a flag for people, without passwords in URLs.
func quotedText(f *pflag.Flag) string {
	all := slices.Clone(valuesOf(f))
	for i, value := range all {
		if strings.Contains(value, "://") {
			all[i] = (&fleet.Server{URL: value}).String()
		}
	}
	if _, isList := f.Value.(pflag.SliceValue); isList {
		return fmt.Sprintf("%q", all)
	}
	return fmt.Sprintf("%q", all[0])
}
