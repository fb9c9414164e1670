package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/eventsvc/eventsvc/client"
)

// commands measures what a user sees: 'eventsvc events' beside 'podman events',
// from the start of the process to its end, with the same log and the same output.
func commands(b *bench) error {
	if b.podman.missing != "" {
		b.table.without("eventsvc events, everything, human lines to a pipe", "", b.podman.missing, 12)
		return nil
	}
	path, err := b.podman.prepare()
	if err != nil {
		return err
	}
	defer func() { _ = os.Truncate(path, 0) }()
	if err := os.Truncate(path, 0); err != nil {
		return err
	}
	if err := b.command(path, "an empty log", 4, false); err != nil {
		return err
	}
	made, err := generateAt(path, b.size.podman, os.O_TRUNC)
	if err != nil {
		return err
	}
	last, err := newerThan(path, b.size.podman/100)
	if err != nil {
		return err
	}
	for _, q := range []struct {
		work   string
		target float64
		toFile bool
		args   []string
	}{
		{"everything, human lines", 12, false, nil},
		{"everything, human lines", 12, true, nil},
		{"everything, JSON lines", 15, false, []string{"--format", "json"}},
		{"one status", 40, false, []string{"--filter", "event=died"}},
		{"one container", 60, false, []string{"--filter", "container=" + made.Container}},
		{"the last 1 %, by since", 100, false, []string{"--since", last}},
	} {
		work := fmt.Sprintf("%s events, %s", thousands(b.size.podman), q.work)
		if err := b.command(path, work, q.target, q.toFile, q.args...); err != nil {
			return err
		}
	}
	return b.decoded(path)
}

// command compares one command line. Both are warm: the first run of each does
// not count.
func (b *bench) command(log, work string, target float64, toFile bool, args ...string) error {
	d, err := b.startDaemon(log)
	if err != nil {
		return err
	}
	defer d.stop()
	args = append([]string{"events", "--stream=false"}, args...)
	where := "to a pipe"
	if toFile {
		where = "to a file"
	}
	run := func(start func(args ...string) *exec.Cmd) (time.Duration, int64, error) {
		printed := int64(0)
		took, err := medianAfterOne(b, func() (took time.Duration, err error) {
			took, printed, err = b.timeCommand(start(args...), toFile)
			return took, err
		})
		return took, printed, err
	}
	ours, printed, err := run(func(args ...string) *exec.Cmd {
		return exec.Command(b.binary, append(args, "--address", "unix:"+d.socket)...)
	})
	if err != nil {
		return err
	}
	theirs, printedToo, err := run(b.podman.command)
	if err != nil {
		return err
	}
	if (printed == 0) != (printedToo == 0) { // lines differ: ours have the cursor, and labels in order
		return fmt.Errorf("%s: eventsvc prints %d bytes, podman %d", work, printed, printedToo)
	}
	b.table.compare(fmt.Sprintf("eventsvc events, %s, %s", work, where), ms(ours),
		"podman events: "+ms(theirs), float64(theirs)/float64(ours), target)
	return nil
}

// medianAfterOne measures once more than the size says, and leaves the first out.
func medianAfterOne(b *bench, measure func() (time.Duration, error)) (time.Duration, error) {
	if _, err := measure(); err != nil {
		return 0, err
	}
	return medianOf(b, measure)
}

// timeCommand runs a command to its end, and returns how many bytes it printed.
func (b *bench) timeCommand(cmd *exec.Cmd, toFile bool) (time.Duration, int64, error) {
	cmd.Stderr = os.Stderr
	if toFile {
		file, err := os.Create(filepath.Join(b.dir, "output"))
		if err != nil {
			return 0, 0, err
		}
		defer file.Close()
		cmd.Stdout = file
		began := time.Now()
		if err := cmd.Run(); err != nil {
			return 0, 0, fmt.Errorf("%v: %w", cmd.Args, err)
		}
		took := time.Since(began)
		info, err := file.Stat()
		if err != nil {
			return 0, 0, err
		}
		return took, info.Size(), nil
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	printed, copied := io.CopyBuffer(struct{ io.Writer }{io.Discard}, out, make([]byte, 256<<10))
	if err := cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return time.Since(began), printed, copied
}

// decoded measures how many events a second the Go client hands to a program.
func (b *bench) decoded(log string) error {
	d, err := b.startDaemon(log)
	if err != nil {
		return err
	}
	defer d.stop()
	c, err := client.New("unix:" + d.socket)
	if err != nil {
		return err
	}
	defer c.Close()
	took, err := medianAfterOne(b, func() (time.Duration, error) {
		began := time.Now()
		h, err := c.History(context.Background(), client.Query{})
		if err != nil {
			return 0, err
		}
		defer h.Close()
		events := 0
		for _, err := range h.All(context.Background()) {
			if err != nil {
				return 0, err
			}
			events++
		}
		if events != b.size.podman {
			return 0, errors.New("the client does not get every event")
		}
		return time.Since(began), nil
	})
	if err != nil {
		return err
	}
	rate := float64(b.size.podman) / took.Seconds()
	b.table.add(row{work: "Go client, events decoded", ours: perSecond(rate), target: "≥ 1 M/s", met: judge(rate >= 1e6)})
	return nil
}
