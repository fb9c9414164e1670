package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exitCodes is the command that only explains: its text is part of the program's page.
const exitCodes = "exit-codes"

// commandPages makes the page of the program and one for each command.
func commandPages(root *cobra.Command) []page {
	pages := []page{programPage(root)}
	for _, c := range root.Commands() {
		if c.Runnable() && !c.Hidden {
			pages = append(pages, commandPage(c))
		}
	}
	return pages
}

func programPage(root *cobra.Command) page {
	var r roff
	name(&r, root)
	r.heading("SYNOPSIS")
	r.line(bold(root.Name()) + " " + italic("COMMAND") + ` [\fIOPTION\fR]...`)
	r.heading("DESCRIPTION")
	r.prose(root.Long)
	r.heading("COMMANDS")
	for _, c := range root.Commands() {
		if c.Runnable() && !c.Hidden {
			r.item(reference(c))
			r.line(escape(c.Short))
		}
	}
	r.item(bold(root.Name() + " completion"))
	r.line("Print a completion script for bash, zsh, fish or PowerShell")
	for _, c := range root.Commands() {
		if c.Name() == exitCodes {
			r.heading("EXIT STATUS")
			r.prose(c.Long)
		}
	}
	environment(&r)
	files(&r)
	seeAlso(&r, "eventsvc-serve(8)", "io.podman.events(7)", "podman-events(1)", "varlinkctl(1)", "busctl(1)")
	return page{root.Name(), "1", r.Bytes()}
}

func commandPage(c *cobra.Command) page {
	var r roff
	name(&r, c)
	r.heading("SYNOPSIS")
	r.line(bold(c.Root().Name()+" "+c.Use) + ` [\fIOPTION\fR]...`)
	r.heading("DESCRIPTION")
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	r.prose(text)
	if c.LocalFlags().HasAvailableFlags() {
		r.heading("OPTIONS")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { option(&r, f) })
	}
	if c.Example != "" {
		r.heading("EXAMPLES")
		r.verbatim(strings.Split(strings.TrimRight(c.Example, "\n"), "\n"))
	}
	if section(c) == "8" {
		files(&r)
	}
	seeAlso(&r, "eventsvc(1)", "io.podman.events(7)")
	return page{pageName(c), section(c), r.Bytes()}
}

// updaterPage makes the page of eventsvc-updater, with all its commands.
func updaterPage(root *cobra.Command) page {
	var r roff
	name(&r, root)
	r.heading("SYNOPSIS")
	r.line(bold(root.Use))
	for _, c := range root.Commands() {
		r.line(".br")
		r.line(bold(root.Name() + " " + c.Use))
	}
	r.heading("DESCRIPTION")
	r.prose(root.Long)
	r.heading("OPTIONS")
	root.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { option(&r, f) })
	r.heading("COMMANDS")
	for _, c := range root.Commands() {
		r.item(bold(c.Use))
		r.line(escape(c.Short))
	}
	for _, c := range root.Commands() {
		if c.HasAvailableLocalFlags() {
			r.heading("OPTIONS OF " + strings.ToUpper(c.Name()))
			c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { option(&r, f) })
		}
	}
	seeAlso(&r, "eventsvc(1)", "io.podman.autoupdate(7)", "io.podman.AutoUpdate1(7)", "podman-auto-update(1)", "podman-systemd.unit(5)")
	return page{root.Name(), section(root), r.Bytes()}
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func reference(c *cobra.Command) string { return bold(pageName(c)) + "(" + section(c) + ")" }

func name(r *roff, c *cobra.Command) {
	r.heading("NAME")
	short := strings.ToLower(c.Short[:1]) + c.Short[1:]
	r.line(escape(pageName(c)) + ` \- ` + escape(short))
}

func option(r *roff, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, text := pflag.UnquoteUsage(f)
	title := bold("--" + f.Name)
	if f.Shorthand != "" {
		title = bold("-"+f.Shorthand) + ", " + title
	}
	if value != "" {
		title += "=" + italic(value)
	}
	r.item(title)
	for l := range strings.SplitSeq(text, "\n") {
		r.line(escape(strings.TrimSpace(l)))
	}
	if !strings.Contains(text, "(default") {
		defaultOf(r, f)
	}
}

// defaultOf writes the default of a flag, unless it is none.
func defaultOf(r *roff, f *pflag.Flag) {
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		r.line(escape("(default " + f.DefValue + ")"))
	}
}

// key writes a key of a file whose values are those of a flag.
func key(r *roff, f *pflag.Flag) {
	kind := "a string"
	switch f.Value.Type() {
	case "stringArray":
		kind = "a list of strings"
	case "int":
		kind = "an integer"
	case "bool":
		kind = "true or false"
	case "time":
		kind = "a time such as \"90s\" or \"10m\""
	}
	_, text := pflag.UnquoteUsage(f)
	r.item(bold(f.Name) + " = " + italic(kind))
	r.prose(text)
	defaultOf(r, f)
}

func environment(r *roff) {
	r.heading("ENVIRONMENT")
	r.item(bold("EVENTSVC_ADDRESS"))
	r.line("Address of the service that the commands call, unless " + bold("--address") + " names one.")
}

// paths are the files that eventsvc uses, and what they are.
var paths = [][2]string{
	{"/etc/eventsvc/eventsvc.toml", "Options of the system service, with drop-ins in /etc/eventsvc/eventsvc.toml.d/."},
	{"$XDG_CONFIG_HOME/eventsvc/eventsvc.toml", "Options of the user service, with drop-ins in eventsvc.toml.d/."},
	{"/run/eventsvc/io.podman.events", "The socket of the system service."},
	{"$XDG_RUNTIME_DIR/eventsvc/io.podman.events", "The socket of the user service."},
	{"/run/libpod/events/events.log", "The event log of root's Podman, unless containers.conf(5) says otherwise."},
	{"/var/lib/eventsvc/events.log", "The event log if there is no Podman."},
}

func files(r *roff) {
	r.heading("FILES")
	for _, p := range paths {
		r.item(italic(p[0]))
		r.line(escape(p[1]))
	}
}

func seeAlso(r *roff, pages ...string) {
	r.heading("SEE ALSO")
	for i, p := range pages {
		title, rest, _ := strings.Cut(p, "(")
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		r.line(bold(title) + "(" + rest + end)
	}
}
