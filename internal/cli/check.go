package cli

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/store/journald"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// checkConfig prints what serve would do with these options, and why, without changing
// anything.
func (a *app) checkConfig(f *serveFlags, set *options, env config.Environment) error {
	p, err := f.plan(set, env)
	if err != nil {
		return err
	}
	addresses, err := f.addresses(set, env)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	section := func(title string, lines ...string) {
		fmt.Fprintln(&out, visible.Text(title))
		for _, line := range lines {
			fmt.Fprintln(&out, "  "+visible.Text(line))
		}
	}
	section("configuration files", orNone(set.files)...)
	section("options", orNone(set.describe())...)
	section("store: "+p.store.String(), p.store.because...)
	section("Varlink", addresses...)
	section("D-Bus", f.describeBus(set, env))
	if f.metrics != "" {
		address, err := f.metricsAddress()
		if err != nil {
			return set.blame(err, "metrics")
		}
		section("metrics", address.String()+": "+set.source("metrics"))
	}
	always := "root"
	if env.UID != 0 {
		always += fmt.Sprint(" and uid ", env.UID)
	}
	section("readers of all events, besides "+always, orNone(f.allowRead)...)
	section("writers, besides "+always, orNone(f.allowWrite)...)
	for _, warning := range append(p.warnings, f.obstacles(&p)...) {
		section("warning", warning)
	}
	_, err = a.stdout.Write(out.Bytes())
	return err
}

func orNone(lines []string) []string {
	if len(lines) == 0 {
		return []string{"none"}
	}
	return lines
}

// addresses returns where it would listen, and why.
func (f *serveFlags) addresses(set *options, env config.Environment) ([]string, error) {
	listen, err := f.listenAddresses()
	if err != nil {
		return nil, set.blame(err, "listen")
	}
	why := ": " + set.source("listen")
	lines := []string{}
	for _, address := range listen {
		lines = append(lines, address.String()+why)
	}
	if len(lines) > 0 {
		return append(lines, "and the sockets that systemd gives, if it starts the service"), nil
	}
	path, err := config.ListenPath(env)
	if err != nil {
		//nolint:nilerr // it is no error as long as systemd gives sockets
		return []string{"the sockets that systemd gives; started otherwise it fails: " + err.Error()}, nil
	}
	usual := varlinkwire.Address{Path: path}
	return []string{usual.String() + ": default, unless systemd passes sockets"}, nil
}

// obstacles returns what would make a start fail now. It may have changed when the
// service starts.
func (f *serveFlags) obstacles(p *plan) (warnings []string) {
	note := func(err error) {
		if err != nil {
			warnings = append(warnings, err.Error())
		}
	}
	listen, _ := f.listenAddresses() // checked already
	for _, address := range listen {
		note(address.Obstacle())
	}
	if address, err := f.metricsAddress(); err == nil && f.metrics != "" {
		note(address.Obstacle())
	}
	switch {
	case p.store.Backend == events.LogFile:
		note(unreadable(p.store.Path))
	case p.store.Backend == events.Journald:
		note(journald.Check(p.store.Path))
	}
	return warnings
}

// unreadable returns why an existing log cannot be read. It only opens regular files:
// opening a pipe has an effect.
func unreadable(path string) error {
	found, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it may appear later
	case err == nil && !found.Mode().IsRegular():
		return errors.Errorf("cannot read the log %s: it is not a regular file; name the log file itself", path)
	case err == nil:
		var file *os.File
		if file, err = os.Open(path); err == nil {
			_ = file.Close()
		}
	}
	return errors.Wrap(err, "cannot read the log")
}

// describeBus returns which bus it would be on, and why.
func (f *serveFlags) describeBus(set *options, env config.Environment) string {
	bus, required := f.bus(env.UID)
	switch {
	case bus == "":
		return "none: " + set.source("dbus")
	case required:
		return bus + ": " + set.source("dbus")
	case f.dbus != "":
		return bus + ": " + set.source("dbus") + "; if it is missing, connects later"
	}
	who := "root"
	if env.UID != 0 {
		who = "users other than root"
	}
	return bus + ": default for " + who + "; if it is missing, connects later"
}

// forOne resets options from files that are meant for the host's service: this process
// serves one client, which has started it.
func (f *serveFlags) forOne(set *options) {
	for _, name := range []string{"listen", "dbus", "exit-idle-time", "metrics"} {
		origin, isSet := set.origins[name]
		if !isSet || origin == commandLine {
			continue
		}
		flag := set.flags.Lookup(name)
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			_ = list.Replace(nil)
		} else {
			_ = flag.Value.Set(strings.Trim(flag.DefValue, "[]"))
		}
		delete(set.origins, name)
	}
}
