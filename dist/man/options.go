package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// startFlags are flags of serve that no file sets.
var startFlags = map[string]bool{"config": true, "check-config": true, "help": true}

// optionsPage makes the page of the configuration file, whose keys are the flags
// of serve.
func optionsPage(root *cobra.Command) page {
	const title = "eventsvc.toml"
	var serve *cobra.Command
	for _, c := range root.Commands() {
		if c.Name() == "serve" {
			serve = c
		}
	}
	var r roff
	r.heading("NAME")
	r.line(title + ` \- configuration of the eventsvc service`)
	r.heading("SYNOPSIS")
	r.line(italic(paths[0][0]) + "\n.br\n" + italic(paths[1][0]))
	r.heading("DESCRIPTION")
	r.prose("A TOML file without tables. Every key is an option of eventsvc-serve(8), by its name without the dashes; an option on the\n" +
		"command line wins. Drop-ins win over the main file, in the order of their names, key by key; a list is replaced as a whole. Paths must\n" +
		"be absolute. Unknown keys and invalid or empty values are errors that name the file and the line.\n\n" +
		"'eventsvc serve --check-config' prints the result, and where each value comes from.")
	r.heading("OPTIONS")
	serve.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if startFlags[f.Name] || f.Hidden {
			return
		}
		key(&r, f)
	})
	r.heading("EXAMPLES")
	r.verbatim([]string{
		`# /etc/eventsvc/eventsvc.toml.d/access.toml`,
		`allow-read = ["@systemd-journal"]`,
		`exit-idle-time = "10m"`,
	})
	files(&r)
	seeAlso(&r, "eventsvc(1)", "eventsvc-serve(8)", "containers.conf(5)")
	return page{title, "5", r.Bytes()}
}
