package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/pkg/errors"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/daemon"
	"github.com/eventsvc/eventsvc/internal/servicelog"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// execHooks runs the installed hooks until the context ends. An invalid file is
// reported and left out.
func (a *app) execHooks(ctx context.Context, f *execFlags, flags *pflag.FlagSet, words []string) error {
	if err := onlyHooks(flags, words); err != nil {
		return err
	}
	env := config.Host()
	files, err := hookFiles(env, f.hooksDir)
	if err != nil {
		return err
	}
	var hooks []*hook
	var refused []error
	for _, file := range files {
		h, err := readHook(env, file)
		if err != nil {
			refused = append(refused, err)
			a.complain(err)
		}
		if h != nil {
			hooks = append(hooks, h)
		}
	}
	if f.check {
		for _, h := range hooks {
			fmt.Fprintln(a.stdout, h)
		}
		if len(refused) > 0 {
			return errors.Errorf("cannot use %d of %d hooks: correct the files named above", len(refused), len(files))
		}
		return nil
	}
	if len(hooks) == 0 {
		return errors.New("cannot run hooks: there is no usable one; put one into /etc/eventsvc/hooks.d, or as a user into " +
			"~/.config/eventsvc/hooks.d (see eventsvc.hooks(5))")
	}
	dir, err := hooksState(env)
	if err != nil {
		return err
	}
	defer dir.Close()
	log := servicelog.New(program, a.stderr, nil)
	status := fmt.Sprintf("%d hooks", len(hooks))
	if len(refused) > 0 {
		status += fmt.Sprintf("; %d left out: %v", len(refused), refused[0])
	}
	daemon.Notify(log, systemd.SdNotifyReady+"\nSTATUS="+strings.ReplaceAll(status, "\n", " "))
	defer daemon.Notify(log, systemd.SdNotifyStopping)
	var running sync.WaitGroup
	for _, h := range hooks {
		running.Go(func() { a.runHook(ctx, h, dir.Name(), f.address) })
	}
	running.Wait()
	return nil // it was asked to end
}

// onlyHooks refuses what each hook sets for itself.
func onlyHooks(flags *pflag.FlagSet, words []string) (err error) {
	if len(words) > 0 {
		return errors.New("cannot run a command with --hooks: the hooks have their own")
	}
	flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "hooks", "hooks-dir", checkFlag, "address":
		default:
			err = errors.Errorf("cannot use --%s with --hooks: each hook sets its own (see eventsvc.hooks(5))", f.Name)
		}
	})
	return err
}

func hookFiles(env config.Environment, dir string) ([]string, error) {
	if dir == "" {
		return config.HookFiles(env)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, errors.Wrap(err, "cannot read the hooks")
	}
	return filepath.Glob(filepath.Join(dir, "*.toml"))
}

// hooksState opens and locks the directory of the cursors: the unit's, or the default
// without a unit.
func hooksState(env config.Environment) (*os.File, error) {
	path, err := config.StateDir(env, "eventsvc-hooks", "the cursors", "STATE_DIRECTORY")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, errors.Wrap(err, "cannot make the directory of the cursors")
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, errors.Wrap(err, "cannot open the directory of the cursors")
	}
	if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = dir.Close()
		return nil, errors.Errorf("cannot run hooks: another process runs them, and keeps their cursors in %s; stop eventsvc-hooks.service first", path)
	}
	return dir, nil
}

// The pauses before a hook is tried again; after one that ran for long, the first
// again.
const (
	hookPauseFirst = time.Second
	hookPauseMost  = time.Minute
)

// runHook runs a hook until the context ends, restarting it after every failure.
func (a *app) runHook(ctx context.Context, h *hook, state, address string) {
	f := &execFlags{jobs: 1, debounce: h.debounce, eventsFlags: eventsFlags{
		filters: h.filters, allUsers: h.allUsers, stream: true, lines: allLines, ifExpired: expiredOldest, address: address,
		cursorFile: filepath.Join(state, h.name+".cursor"),
	}}
	this := &app{name: a.name, about: "hook " + h.name + ": ", stdin: a.stdin, stdout: a.stdout, stderr: a.stderr}
	for pause := hookPauseFirst; ; pause = min(2*pause, hookPauseMost) {
		began := time.Now()
		err := this.forEach(ctx, f, &action{words: h.words, onFailure: h.onFailure, timeout: h.timeout})
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > hookPauseMost {
			pause = hookPauseFirst
		}
		this.say("%v; trying again in %v", err, pause)
		if !sleep.For(ctx, pause) {
			return
		}
	}
}
