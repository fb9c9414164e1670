package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// asked is a command line for both commands.
type asked struct {
	work   string
	target float64 // how many times as long Podman has to take, at least
	toFile bool
	args   []string
}

// commands measures what a user sees: 'eventsvc events' compared with 'podman events',
// each from start to exit, with the same log and the same kind of output.
func commands(b *bench) error {
	return b.commandsBeside(b.podman, func(container, last string) []asked {
		return []asked{
			{"everything, human lines", 12, false, nil},
			{"everything, human lines", 12, true, nil},
			{"everything, JSON lines", 15, false, []string{"--format", "json"}},
			{"one status", 40, false, []string{"--filter", "event=died"}},
			{"one container", 60, false, []string{"--filter", "container=" + container}},
			{"the last 1 %, by since", 100, false, []string{"--since", last}},
		}
	})
}

// newerCommands makes some of these comparisons with a newer Podman.
func newerCommands(b *bench) error {
	return b.commandsBeside(b.newer, func(_, last string) []asked {
		return []asked{
			{"everything, human lines", 12, false, nil},
			{"everything, JSON lines", 15, false, []string{"--format", "json"}},
			{"the last 1 %, by since", 100, false, []string{"--since", last}},
		}
	})
}

func (b *bench) commandsBeside(p *podman, ask func(container, last string) []asked) error {
	if p.missing != "" {
		b.table.without("eventsvc events, everything, human lines to a pipe", "", p.missing, 12)
		return nil
	}
	path, err := p.prepare()
	if err != nil {
		return err
	}
	defer func() { _ = os.Truncate(path, 0) }()
	if err := os.Truncate(path, 0); err != nil {
		return err
	}
	if err := b.command(p, path, "an empty log", asked{target: 4}); err != nil {
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
	for _, q := range ask(made.Container, last) {
		if err := b.command(p, path, fmt.Sprintf("%s events, %s", thousands(b.size.podman), q.work), q); err != nil {
			return err
		}
	}
	return nil
}

// command compares one command line. The page cache is warm, and the daemon is idle,
// like one that has run for a while.
func (b *bench) command(p *podman, log, work string, q asked) error {
	d, err := b.startDaemon(log)
	if err != nil {
		return err
	}
	defer d.stop()
	args := append([]string{"events", "--stream=false"}, q.args...)
	where := "to a pipe"
	if q.toFile {
		where = "to a file"
	}
	printed, printedToo := int64(0), int64(0)
	var busy, busyToo []time.Duration // processor time; for eventsvc, the daemon's too
	own := func() (took time.Duration, err error) {
		before, err := d.processorTime()
		if err != nil {
			return 0, err
		}
		cmd := exec.Command(b.binary, append(args, "--address", "unix:"+d.socket)...)
		if took, printed, err = b.timeCommand(cmd, q.toFile); err != nil {
			return 0, err
		}
		after, err := d.processorTime()
		busy = append(busy, after-before+cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		return took, err
	}
	peer := func() (took time.Duration, err error) {
		cmd := p.command(args...)
		if took, printedToo, err = b.timeCommand(cmd, q.toFile); err == nil {
			busyToo = append(busyToo, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
		return took, err
	}
	first, err := own()
	if err != nil {
		return err
	}
	if err := d.settle(); err != nil {
		return err
	}
	rounds := b.size.rounds
	if first < shortRun { // mostly the start of a process, which varies more
		rounds *= 5
	}
	busy = nil
	ours, theirs, err := mediansByTurns(rounds, own, peer)
	if err != nil {
		return err
	}
	if (printed == 0) != (printedToo == 0) { // the lines differ: those of eventsvc have a cursor, and sorted labels
		return fmt.Errorf("%s: eventsvc printed %d bytes, podman %d", work, printed, printedToo)
	}
	both := func(took time.Duration, busy []time.Duration) string {
		return fmt.Sprintf("%s (processors: %s)", ms(took), ms(median(busy)))
	}
	b.table.compare(fmt.Sprintf("eventsvc events, %s, %s", work, where), both(ours, busy),
		p.name+" events: "+both(theirs, busyToo), float64(theirs)/float64(ours), q.target)
	return nil
}

// shortRun is how long a command takes at most to be measured more often.
const shortRun = 50 * time.Millisecond

// medianAfterOne measures once more than size.rounds, and ignores the first result.
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
