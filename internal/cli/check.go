package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/service"
)

// checkConfig prints what serve would do with these options, and why, without
// touching anything.
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
		fmt.Fprintln(&out, title)
		for _, line := range lines {
			fmt.Fprintln(&out, "  "+line)
		}
	}
	section("configuration files", orNone(set.files)...)
	section("options", orNone(set.describe())...)
	section("store: "+p.store.String(), p.store.because...)
	section("Varlink", addresses...)
	section("D-Bus", f.describeBus(set, env))
	if f.metrics != "" {
		address, err := service.ParseAddress(f.metrics)
		if err != nil {
			return set.blame(err, "metrics")
		}
		section("metrics", address.String()+": "+set.source("metrics"))
	}
	section("readers of all events, beside root and uid "+fmt.Sprint(env.UID), orNone(f.allowRead)...)
	section("writers, beside root and uid "+fmt.Sprint(env.UID), orNone(f.allowWrite)...)
	for _, warning := range p.warnings {
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

// addresses are where it would listen, and why.
func (f *serveFlags) addresses(set *options, env config.Environment) ([]string, error) {
	why := ": " + set.source("listen")
	lines := []string{}
	for _, text := range f.listen {
		address, err := service.ParseAddress(text)
		if err != nil {
			return nil, set.blame(err, "listen")
		}
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
	usual := service.Address{Path: path}
	return []string{usual.String() + ": default, unless systemd gives sockets"}, nil
}

// describeBus says on which bus it would be, and why.
func (f *serveFlags) describeBus(set *options, env config.Environment) string {
	bus, required := f.bus(env.UID)
	switch {
	case bus == "":
		return "none: " + set.source("dbus")
	case required:
		return bus + ": " + set.source("dbus")
	case f.dbus != "":
		return bus + ": " + set.source("dbus") + "; waited for if it is not there"
	}
	who := "root"
	if env.UID != 0 {
		who = "users other than root"
	}
	return bus + ": default for " + who + "; waited for if it is not there"
}

// forOne takes back what files say that is meant for the service of the host:
// this process serves one client, who has started it.
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
