package cli

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
)

// updater is the program that updates containers. It is separate, so that this one
// links no image library, and its service needs neither network nor Podman.
const updater = "eventsvc-updater"

// updaterDir is where the packages install it.
const updaterDir = "/usr/libexec/eventsvc"

func (a *app) autoUpdateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "auto-update [flags] [UNIT...]",
		Short: "Update the containers of systemd units, and verify each update",
		Long: `Auto-update runs eventsvc-updater, which has the same flags, commands and exit
codes: 'eventsvc auto-update --help' prints them.`,
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, arguments []string) error {
			path, err := findUpdater()
			if err != nil {
				return err
			}
			child := exec.CommandContext(c.Context(), path, arguments...)
			child.Stdin, child.Stdout, child.Stderr = a.stdin, a.stdout, a.stderr
			child.Env = append(os.Environ(), "EVENTSVC_COMMAND="+c.CommandPath())
			// It ends cleanly, and the next run continues what is in progress.
			child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
			err = child.Run()
			var ended *exec.ExitError
			if errors.As(err, &ended) {
				return &commandError{code: ended.ExitCode()} // it has printed the error
			}
			return errors.Wrapf(err, "cannot run %s", path)
		},
	}
}

// findUpdater looks next to this program, then where the packages install it.
func findUpdater() (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), updater)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(filepath.Join(updaterDir, updater))
	return path, errors.Wrapf(err, "cannot find %s: install it next to eventsvc", updater)
}
