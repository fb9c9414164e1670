package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/pkg/errors"
	"github.com/spf13/pflag"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/config"
)

// hook is the contents of one file of hooks.d.
type hook struct {
	name      string // of the file, without .toml
	file      string
	filters   []string
	allUsers  bool
	command   []string
	unit      string
	debounce  time.Duration
	timeout   time.Duration
	onFailure string
}

// The times of a hook.
const (
	hookTimeout  = time.Minute // unless its file sets another
	mostDebounce = time.Hour
)

// HookKeys returns the keys of a file of hooks.d, for generating the manual page.
func HookKeys() *pflag.FlagSet { return new(hook).keys() }

// keys returns the keys of the file as flags, so that they are read like those of
// eventsvc.toml.
func (h *hook) keys() *pflag.FlagSet {
	keys := pflag.NewFlagSet("hook", pflag.ContinueOnError)
	keys.SortFlags = false
	keys.StringArrayVar(&h.filters, "filter", nil, "which events: a FILTER of 'eventsvc events', or a list of them; without it all")
	keys.BoolVar(&h.allUsers, "all-users", false, "events of all users, not only of this one. In the journal, every local user can\n"+
		"write entries that look like events of Podman")
	keys.StringArrayVar(&h.command, "command", nil, "the program and its arguments, as a list. It gets the event on stdin and in its\n"+
		"environment, like the command of 'eventsvc exec'. There is no shell")
	keys.StringVar(&h.unit, "unit", "", "the unit to start instead of a command. A template, such as died@.service, is\n"+
		"instantiated with the name in the event, escaped as systemd-escape does")
	keys.Var((*span)(&h.debounce), "debounce", "the minimum time between two runs for the same container, image, …: of the events\n"+
		"in between, only the last gets a run, once the time has passed. At most 1h")
	keys.Var((*span)(&h.timeout), "timeout", "end the command with SIGTERM after this time, ten seconds later with SIGKILL")
	keys.StringVar(&h.onFailure, "on-failure", failureContinue, "when the command fails: continue with the next event, or retry this one, after\n"+
		"1 s, then longer, up to 1 min, until it succeeds")
	keys.Lookup("timeout").DefValue = "1m"
	return keys
}

// readHook reads a file. For an empty file, such as /dev/null, it returns nil: there is
// no hook.
func readHook(env config.Environment, file string) (*hook, error) {
	h := &hook{name: strings.TrimSuffix(filepath.Base(file), ".toml"), file: file, timeout: hookTimeout}
	set, err := readOptions(h.keys(), env, file)
	if err != nil {
		return nil, err
	}
	if len(set.origins) == 0 {
		return nil, nil
	}
	if err := h.check(set); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *hook) check(set *options) error {
	if _, err := events.ParseFilters(h.filters); err != nil {
		return set.blame(err, "filter")
	}
	switch {
	case (len(h.command) == 0) == (h.unit == ""):
		return errors.Errorf("cannot use the hook %s: it needs either a command or a unit", h.file)
	case h.unit != "" && (!strings.Contains(h.unit, ".") || strings.ContainsAny(h.unit, "/ ")):
		return set.blame(errors.Errorf("cannot use the unit %q: give its full name, such as backup.service", h.unit), "unit")
	case h.onFailure != failureContinue && h.onFailure != failureRetry:
		return set.blame(errors.Errorf("cannot use on-failure %q: it must be %s or %s", h.onFailure, failureContinue, failureRetry), "on-failure")
	case h.debounce > mostDebounce:
		return set.blame(errors.Errorf("cannot use the debounce %v: it must be at most %v", h.debounce, mostDebounce), "debounce")
	case h.timeout == 0:
		return set.blame(errors.New("cannot use the timeout 0: a command that hangs would block its hook forever"), "timeout")
	case h.unit != "":
		return nil
	}
	return set.blame(findCommand(h.command), "command")
}

// words returns the command for an event.
func (h *hook) words(e *events.Event) []string {
	if h.unit == "" {
		return h.command
	}
	name := h.unit
	if before, after, isTemplate := strings.Cut(h.unit, "@."); isTemplate {
		instance := e.Name
		if instance == "" {
			instance = e.ID
		}
		name = before + "@" + unit.UnitNameEscape(instance) + "." + after
	}
	if os.Geteuid() != 0 {
		return []string{"systemctl", "--user", "start", "--", name}
	}
	return []string{"systemctl", "start", "--", name}
}

// String describes the hook for people.
func (h *hook) String() string {
	what := fmt.Sprintf("runs %q", h.command)
	if h.unit != "" {
		what = "starts " + h.unit
	}
	return fmt.Sprintf("%s: %s for %q (%s)", h.name, what, h.filters, h.file)
}
