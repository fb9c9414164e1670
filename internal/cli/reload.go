package cli

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/messageid"
)

// reloader reads the configuration again while the service runs.
type reloader struct {
	log     *slog.Logger
	env     config.Environment
	command func() (*cobra.Command, *serveFlags) // the command serve, with no flag set
	options *options
}

// reload reads the configuration, and applies the settings. It logs what has changed,
// and which changes need a restart.
func (r *reloader) reload(apply func(daemon.Settings)) error {
	c, f := r.command()
	next, err := r.options.again(c.Flags(), r.env)
	if err != nil {
		return err
	}
	settings, err := f.settings(next)
	if err != nil {
		return err
	}
	apply(settings)
	var done []string
	for _, name := range next.changed(r.options) {
		if slices.Contains(settingFlags, name) {
			done = append(done, fmt.Sprintf("%s=%s", name, quotedText(next.flags.Lookup(name))))
			continue
		}
		r.log.Warn("a changed option takes effect only after a restart", "option", name,
			"value", textOf(next.flags.Lookup(name)), "from", next.source(name), "until then", textOf(r.options.flags.Lookup(name)))
		// The service still uses the old value, so the change is reported again next
		// time.
		if err := keepFlag(next, r.options, name); err != nil {
			return err
		}
	}
	r.log.Info("read the configuration again", messageid.Reloaded, "files", strings.Join(next.files, " "), "changed", strings.Join(done, " "))
	r.options = next
	return nil
}

// keepFlag gives a flag its earlier value and origin.
func keepFlag(next, before *options, name string) error {
	if err := setFlag(next.flags.Lookup(name), valuesOf(before.flags.Lookup(name))); err != nil {
		return errors.WithMessagef(err, "cannot keep the option %s", name)
	}
	delete(next.origins, name)
	if origin, ok := before.origins[name]; ok {
		next.origins[name] = origin
	}
	return nil
}
