// Command man writes the manual pages of eventsvc into a directory: one for each
// command, made from its own help text; eventsvc.toml(5), from the options of serve;
// io.podman.events(7) and io.podman.autoupdate(7), from the comments of the contracts;
// and io.podman.Events1(7) and io.podman.AutoUpdate1(7), from the introspection data.
// So a page always agrees with --help, "varlinkctl introspect" and D-Bus introspection.
//
//	go run ./dist/man [-date 2026-11-23] [-version 0.1.0] DIR
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/autoupdate/command"
	"github.com/eventsvc/eventsvc/internal/cli"
)

// described is an interface, with its files (a contract, or introspection data)
// relative to the top of the repository, where the program has to be run.
type described struct {
	files    []string
	about    string // completes "NAME - "
	examples []string
	seeAlso  []string
}

var contracts = []described{
	{
		files: []string{"io.podman.events.varlink"}, about: "container events over Varlink",
		examples: []string{
			"varlinkctl call unix:/run/eventsvc/io.podman.events io.podman.events.GetLastEvent '{\"filters\":[\"event=died\"]}'",
			"varlinkctl call -E unix:/run/eventsvc/io.podman.events io.podman.events.Subscribe '{\"filters\":[\"container=web\"]}'",
		},
		seeAlso: []string{"eventsvc(1)", "eventsvc-serve(8)", "varlinkctl(1)", "podman-events(1)"},
	},
	{
		files: []string{"io.podman.autoupdate.varlink"}, about: "container auto-update over Varlink",
		examples: []string{
			"varlinkctl call unix:/run/eventsvc/io.podman.autoupdate io.podman.autoupdate.Check '{}'",
			"varlinkctl call -E unix:/run/eventsvc/io.podman.autoupdate io.podman.autoupdate.Update '{\"units\":[\"web\"]}'",
		},
		seeAlso: []string{"eventsvc-updater(8)", "varlinkctl(1)", "podman-auto-update(1)"},
	},
}

var objects = []described{
	{
		files: []string{"dbus/io.podman.Events1.xml", "dbus/subscription.xml"}, about: `container events over D\-Bus`,
		examples: []string{
			"busctl call io.podman.Events1 /io/podman/Events1 io.podman.Events1 GetLastEvent as 1 event=died",
			"gdbus monitor --session --dest io.podman.Events1",
		},
		seeAlso: []string{"eventsvc(1)", "eventsvc-serve(8)", "io.podman.events(7)", "busctl(1)"},
	},
	{
		files: []string{"internal/autoupdate/dbus/io.podman.AutoUpdate1.xml"}, about: `container auto\-update over D\-Bus`,
		examples: []string{"busctl call io.podman.AutoUpdate1 /io/podman/AutoUpdate1 io.podman.AutoUpdate1 Update asa{sv} 1 web 0"},
		seeAlso:  []string{"eventsvc-updater(8)", "io.podman.autoupdate(7)", "busctl(1)"},
	},
}

func main() {
	date := flag.String("date", "", "`DATE` of the pages; without it they have none")
	version := flag.String("version", "", "`VERSION` of eventsvc that the pages belong to")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: man [-date DATE] [-version VERSION] DIR")
		os.Exit(2)
	}
	if err := write(flag.Arg(0), *date, *version); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// page is one manual page.
type page struct {
	name, section string
	text          []byte
}

func write(dir, date, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	all := append(commandPages(cli.Command()), updaterPage(command.Command()), optionsPage(cli.Command()), hooksPage())
	for _, c := range contracts {
		idl, err := os.ReadFile(c.files[0])
		if err != nil {
			return err
		}
		p, err := contractPage(idl, c)
		if err != nil {
			return fmt.Errorf("cannot make a page of %s: %w", c.files[0], err)
		}
		all = append(all, p)
	}
	for _, o := range objects {
		p, err := dbusPage(o)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, p := range all {
		var b bytes.Buffer
		fmt.Fprintf(&b, ".\\\" Made by dist/man.\n.TH %s %s %q %q %q\n", p.name, p.section, date, "eventsvc "+version, manuals[p.section])
		// No hyphenation and no justified lines, so that searches find commands and
		// names.
		b.WriteString(".nh\n.ad l\n")
		b.Write(p.text)
		if err := os.WriteFile(filepath.Join(dir, p.name+"."+p.section), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manuals are the titles of the sections of the manual.
var manuals = map[string]string{"1": "User Commands", "5": "File Formats", "7": "Interfaces", "8": "System Administration"}

// sections are those of commands that are not for users.
var sections = map[string]string{"serve": "8", "eventsvc-updater": "8"}

func section(c *cobra.Command) string {
	if s := sections[c.Name()]; s != "" {
		return s
	}
	return "1"
}
