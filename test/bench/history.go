package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// question is a query of history, as parameters for eventsvc and as arguments for
// Podman.
type question struct {
	work   string
	params params
	podman []string // arguments; those that depend on the log of Podman are set later
	target float64  // how many times as long Podman has to take for each event
}

// history measures reading history.
func history(b *bench) error {
	l, err := b.generate(b.size.events)
	if err != nil {
		return err
	}
	last, err := newerThan(l.path, b.size.tail)
	if err != nil {
		return err
	}
	questions := []question{
		{"history, one status", params{"filters": []string{"status=died"}}, []string{"--filter", "event=died"}, 40},
		{"history, everything", params{}, []string{}, 25},
		{"history, since, last " + thousands(b.size.tail), params{"since": last}, nil, 300},
		{"history, one container by ID prefix", byPrefix(l), nil, 100},
	}
	d, err := b.startDaemon(l.path)
	if err != nil {
		return err
	}
	defer d.stop()
	ours := make([]time.Duration, len(questions))
	for i, q := range questions {
		if ours[i], err = b.ask(d, q.params); err != nil {
			return err
		}
	}
	died, err := countEvents(d, questions[0].params)
	if err != nil {
		return err
	}
	if died != l.Died {
		return fmt.Errorf("the daemon found %d of %d events with status died", died, l.Died)
	}
	if err := b.besideStatus(d, ours[0]); err != nil {
		return err
	}
	if err := b.besideGrep(l, ours[0]); err != nil {
		return err
	}
	if err := b.besideCat(d); err != nil {
		return err
	}
	if err := b.besidePodman(questions, ours); err != nil {
		return err
	}
	return b.grown(ours[2])
}

func byPrefix(l *log) params { return params{"filters": []string{"container=" + l.Container[:16]}} }

// ask measures how long a warm daemon takes to answer.
func (b *bench) ask(d *daemon, p params) (time.Duration, error) {
	once := asking(d, p)
	if _, err := once(); err != nil {
		return 0, err
	}
	if err := d.settle(); err != nil {
		return 0, err
	}
	if _, err := once(); err != nil {
		return 0, err
	}
	return medianOf(b, once)
}

// asking asks once, and measures how long it takes until the client has read the last
// byte.
func asking(d *daemon, p params) func() (time.Duration, error) {
	buf := make([]byte, 256<<10)
	return func() (time.Duration, error) {
		w, err := dial(d.socket)
		if err != nil {
			return 0, err
		}
		defer w.close()
		began := time.Now()
		if err := w.send(call("GetEvents", p, true)); err != nil {
			return 0, err
		}
		_, err = w.drain(buf)
		return time.Since(began), err
	}
}

// countEvents decodes a reply and returns the number of its events.
func countEvents(d *daemon, p params) (int, error) {
	w, err := dial(d.socket)
	if err != nil {
		return 0, err
	}
	defer w.close()
	if err := w.send(call("GetEvents", p, true)); err != nil {
		return 0, err
	}
	for total := 0; ; {
		frame, err := w.recv()
		if err != nil {
			return 0, err
		}
		var reply struct {
			Error      string
			Continues  bool
			Parameters struct{ Events []json.RawMessage }
		}
		if err := json.Unmarshal(frame, &reply); err != nil || reply.Error != "" {
			return 0, fmt.Errorf("unexpected reply: %.300s", frame)
		}
		if total += len(reply.Parameters.Events); !reply.Continues {
			return total, nil
		}
	}
}

// besideStatus compares filters on a property that only events of one status have
// with a filter on that status alone.
func (b *bench) besideStatus(d *daemon, died time.Duration) error {
	checks, err := b.ask(d, params{"filters": []string{"status=health_status"}})
	if err != nil {
		return err
	}
	for _, q := range []struct {
		filter, status string
		ofStatus       time.Duration
	}{
		{"health=unhealthy", "status=health_status", checks},
		{"health=changed", "status=health_status", checks},
		{"exit-code=137", "status=died", died},
	} {
		ours, err := b.ask(d, params{"filters": []string{q.filter}})
		if err != nil {
			return err
		}
		growth := float64(ours) / float64(q.ofStatus)
		b.table.add(row{
			work: "history, " + q.filter, ours: ms(ours), peer: "its own of " + q.status + ": " + ms(q.ofStatus),
			ratio: strings.TrimSpace(times(growth)), target: "≤ 2 ×", met: judge(growth <= 2),
		})
	}
	return nil
}

// besideGrep compares with a program that only scans the bytes of the same file.
func (b *bench) besideGrep(l *log, ours time.Duration) error {
	rows := []struct {
		command string
		name    string
		count   int
	}{
		{`LC_ALL=C grep -c '"Status":"died"' "$1" | cat`, "grep -c to a pipe", l.Died},
		{`wc -l <"$1"`, "wc -l", l.Events},
	}
	for _, r := range rows {
		theirs, err := medianOf(b, func() (time.Duration, error) {
			began := time.Now()
			out, err := exec.Command("sh", "-c", r.command, "sh", l.path).Output()
			took := time.Since(began)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", r.name, err)
			}
			if n, _ := strconv.Atoi(string(bytes.TrimSpace(out))); n != r.count {
				return 0, fmt.Errorf("%s counted %d of %d", r.name, n, r.count)
			}
			return took, nil
		})
		if err != nil {
			return err
		}
		work := fmt.Sprintf("history, one status, %s events (%d MB)", thousands(l.Events), l.Bytes/1e6)
		ratio := float64(theirs) / float64(ours)
		if r.name == "wc -l" {
			b.table.add(row{work, ms(ours), r.name + ": " + ms(theirs), times(ratio), "stretch: ≥ 1 ×", judge(ratio >= 1)})
		} else {
			b.table.compare(work, ms(ours), r.name+": "+ms(theirs), ratio, 1)
		}
	}
	return nil
}

// besideCat compares a query of everything with a copy of the same bytes from a file.
func (b *bench) besideCat(d *daemon) error {
	path, socket := filepath.Join(b.dir, "frames"), filepath.Join(b.dir, "cat")
	if err := keepFrames(d, path); err != nil {
		return err
	}
	defer os.Remove(path)
	cmd, err := thisProgram("cat", socket, path)
	if err != nil {
		return err
	}
	var cat process
	if err := cat.start(cmd, socket); err != nil {
		return err
	}
	defer cat.stop()
	ours, theirs, err := mediansByTurns(b.size.rounds, asking(d, params{}), asking(&daemon{socket: socket, process: cat}, params{}))
	if err != nil {
		return err
	}
	ratio := float64(ours) / float64(theirs)
	b.table.add(row{
		work: "history, everything", ours: ms(ours), peer: "cat of the same frames to the socket: " + ms(theirs),
		ratio: strings.TrimSpace(times(ratio)), target: "≤ 0.5 ×", met: judge(ratio <= 0.5),
	})
	return nil
}

// keepFrames writes the replies to a query of everything to a file.
func keepFrames(d *daemon, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w, err := dial(d.socket)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.send(call("GetEvents", params{}, true)); err != nil {
		return err
	}
	for {
		frame, err := w.recv()
		if err != nil {
			return err
		}
		if _, err := file.Write(append(frame[:len(frame):len(frame)], 0)); err != nil {
			return err
		}
		if !bytes.HasSuffix(frame, continues[:len(continues)-1]) {
			return nil
		}
	}
}

// besidePodman compares the time for each event of the log with that of Podman's own
// reader, which reads a shorter log because it is slow.
func (b *bench) besidePodman(questions []question, ours []time.Duration) error {
	perEvent := func(all time.Duration, events int) string {
		return three(float64(all.Nanoseconds())/float64(events)) + " ns/event"
	}
	if b.podman.missing != "" {
		for i, q := range questions {
			b.table.without(q.work, ms(ours[i]), b.podman.missing, q.target)
		}
		return nil
	}
	path, err := b.podman.prepare()
	if err != nil {
		return err
	}
	made, err := generateAt(path, b.size.podman, os.O_TRUNC)
	if err != nil {
		return err
	}
	tail := b.size.tail * b.size.podman / b.size.events
	last, err := newerThan(path, tail)
	if err != nil {
		return err
	}
	questions[2].podman = []string{"--since", last}
	questions[3].podman = []string{"--filter", "container=" + made.Container[:16]}
	for i, q := range questions {
		theirs, err := medianOf(b, func() (time.Duration, error) { return b.podman.read(q.podman) })
		if err != nil {
			return err
		}
		ratio := float64(theirs) / float64(b.size.podman) / (float64(ours[i]) / float64(b.size.events))
		b.table.compare(q.work, ms(ours[i])+", "+perEvent(ours[i], b.size.events),
			fmt.Sprintf("podman, %s events: %s, %s", thousands(b.size.podman), ms(theirs), perEvent(theirs, b.size.podman)), ratio, q.target)
	}
	return os.Truncate(path, 0)
}

// grown queries the same number of last events of a longer log.
func (b *bench) grown(before time.Duration) error {
	l, err := b.generate(b.size.grown)
	if err != nil {
		return err
	}
	defer b.dropLog(l)
	last, err := newerThan(l.path, b.size.tail)
	if err != nil {
		return err
	}
	d, err := b.startDaemon(l.path)
	if err != nil {
		return err
	}
	defer d.stop()
	after, err := b.ask(d, params{"since": last})
	if err != nil {
		return err
	}
	growth := float64(after) / float64(before)
	b.table.add(row{
		work: fmt.Sprintf("history, since, last %s of %s events (%.1f GB)", thousands(b.size.tail), thousands(l.Events), float64(l.Bytes)/1e9),
		ours: ms(after), peer: "its own of " + thousands(b.size.events) + ": " + ms(before), ratio: strings.TrimSpace(times(growth)), target: "≤ 1.5 ×", met: judge(growth <= 1.5),
	})
	return nil
}
