package main

import (
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/internal/cli"
)

// hooksPage makes the page of the files of hooks.
func hooksPage() page {
	const title = "eventsvc.hooks"
	var r roff
	r.heading("NAME")
	r.line(title + ` \- commands to run for container events`)
	r.heading("SYNOPSIS")
	r.line(italic("/etc/eventsvc/hooks.d/*.toml") + "\n.br\n" + italic("~/.config/eventsvc/hooks.d/*.toml"))
	r.heading("DESCRIPTION")
	r.prose("Each file is a hook: TOML without tables that says which command is run for which events. eventsvc-hooks.service runs the hooks;\n" +
		"it is off until enabled ('systemctl enable --now eventsvc-hooks', for a user with --user), and reads the files\n" +
		"when it starts. A file in /etc hides one of the same name in /run, /usr/local/lib or /usr/lib; an empty file, or a link\n" +
		"to /dev/null, disables that hook.\n\n" +
		"A file that cannot be used is left out and reported with its line, in the journal and by 'systemctl status eventsvc-hooks'; the\n" +
		"other hooks are run. 'eventsvc exec --hooks --check-config' prints what each hook would do, and fails if one cannot be used.\n\n" +
		"When a hook starts for the first time, it begins with the next event. From then on every event gets its run at least once: the cursor of what\n" +
		"has been done is kept in /var/lib/eventsvc-hooks, or ~/.local/state/eventsvc-hooks, and events that happened while the service was stopped get\n" +
		"their run later. An event may get a second run if the machine or the service stops in the middle of the first. If the log no longer has the\n" +
		"place of the cursor, the hook says so and continues from the oldest event. The runs of one hook follow each other; hooks do not wait for each\n" +
		"other.")
	r.heading("KEYS")
	cli.HookKeys().VisitAll(func(f *pflag.Flag) { key(&r, f) })
	r.heading("EXAMPLES")
	r.verbatim([]string{
		`filter = ["type=container", "status=died", "exit-code!=0"]`,
		`command = ["eventsvc", "webhook", "https://example.com/hook"]`,
		`on-failure = "retry"`,
		`debounce = "1m"`,
		``,
		`filter = "health=unhealthy"`,
		`unit = "unhealthy@.service"`,
	})
	r.prose("/usr/share/doc/eventsvc/hooks has examples for a webhook, the desktop and mail.")
	seeAlso(&r, "eventsvc-exec(1)", "eventsvc-webhook(1)", "eventsvc-events(1)", "systemctl(1)")
	return page{title, "5", r.Bytes()}
}
