package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
)

// clients measures how long libraries take for the same history, until a program has
// the last event.
func clients(b *bench) error {
	l, err := b.generate(b.size.podman)
	if err != nil {
		return err
	}
	defer b.dropLog(l)
	d, err := b.startDaemon(l.path)
	if err != nil {
		return err
	}
	defer d.stop()
	rate := func(most int, events func() (int, error)) (float64, error) {
		took, err := medianAfterOne(b, func() (time.Duration, error) {
			began := time.Now()
			n, err := events()
			if err == nil && n != most {
				err = fmt.Errorf("the client got %d of %d events", n, most)
			}
			return time.Since(began), err
		})
		return float64(most) / took.Seconds(), err
	}
	if _, err := decodeAll(d.socket, false); err != nil {
		return err
	}
	if err := d.settle(); err != nil {
		return err
	}
	ours, err := rate(l.Events, func() (int, error) { return decodeAll(d.socket, false) })
	if err != nil {
		return err
	}
	again, err := rate(l.Events, func() (int, error) { return decodeAll(d.socket, true) })
	if err != nil {
		return err
	}
	r := row{work: "Go client, events decoded", ours: perSecond(ours), target: "≥ 1 M/s", met: judge(ours >= 1e6)}
	few := l.Events / 20 // each takes half a millisecond
	python, err := rate(few, func() (int, error) { return pythonDecodes(d.socket, few) })
	switch {
	case errors.Is(err, errNoPeer):
		r.peer = "not measured: " + err.Error()
	case err != nil:
		return err
	default:
		r.peer, r.ratio = "python3-varlink: "+perSecond(python), times(ours/python)
	}
	b.table.add(r)
	b.table.add(row{work: "the same, into one event (NextInto)", ours: perSecond(again), target: "≥ 1 M/s", met: judge(again >= 1e6)})
	return b.pageOverDBus(l)
}

// decodeAll counts the events that the Go client returns.
func decodeAll(socket string, intoOne bool) (n int, err error) {
	ctx := context.Background()
	c, err := client.New("unix:" + socket)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	h, err := c.History(ctx, client.Query{})
	if err != nil {
		return 0, err
	}
	defer h.Close()
	if !intoOne {
		for _, err := range h.All(ctx) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	for e := (events.Event{}); h.NextInto(ctx, &e) == nil; {
		n++
	}
	return n, nil
}

// errNoPeer is returned if a peer is missing.
var errNoPeer = errors.New("its peer is not installed (test/peers)")

// counter counts events with python3-varlink.
const counter = `
import sys, varlink
with varlink.Client.new_with_address("unix:" + sys.argv[1]) as c, c.open("io.podman.events") as service:
    print(sum(len(reply["events"]) for reply in service.GetEvents(limit=int(sys.argv[2]), _more=True)))
`

func pythonDecodes(socket string, most int) (n int, err error) {
	program := filepath.Join(filepath.Dir(socket), "count.py")
	if err := os.WriteFile(program, []byte(counter), 0o600); err != nil {
		return 0, err
	}
	out, err := exec.Command(peerScript("pyvarlink.sh"), "--run", program, socket, strconv.Itoa(most)).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		if failed.ExitCode() == 125 {
			return 0, errNoPeer
		}
		return 0, fmt.Errorf("python3-varlink: %w\n%s", err, failed.Stderr)
	}
	if err == nil {
		_, err = fmt.Sscan(string(out), &n)
	}
	return n, err
}

// pageOverDBus measures busctl, from its start to its exit, when it requests a page of
// events, and 'eventsvc events' for as many.
func (b *bench) pageOverDBus(l *log) error {
	const work = "busctl call GetEvents, a page over D-Bus"
	for _, program := range []string{"busctl", "dbus-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			b.table.add(row{work: work, peer: "not measured: there is no " + program})
			return nil
		}
	}
	address := "unix:path=" + filepath.Join(b.dir, "bus")
	bus := exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", "--address="+address)
	ready, err := bus.StdoutPipe()
	if err != nil {
		return err
	}
	if err := bus.Start(); err != nil {
		return err
	}
	defer func() { _ = bus.Process.Kill(); _ = bus.Wait() }()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("cannot start dbus-daemon: %w", err)
	}
	d := daemon{log: l.path, socket: filepath.Join(b.dir, "on-the-bus")}
	serve := exec.Command(b.binary, "serve", "--backend", "file", "--log-file", l.path, "--dbus", address, "--listen", "unix:"+d.socket)
	if err := d.start(serve, d.socket); err != nil {
		return err
	}
	defer d.stop()
	if err := awaitName(address); err != nil {
		return err
	}
	page := func(cmd func() *exec.Cmd) (time.Duration, error) {
		return medianAfterOne(b, func() (time.Duration, error) {
			took, printed, err := b.timeCommand(cmd(), false)
			if err == nil && printed < 1000 {
				err = errors.New("a page over D-Bus is empty")
			}
			return took, err
		})
	}
	asking := func() *exec.Cmd {
		return exec.Command("busctl", "--address="+address, "call", "io.podman.Events1", "/io/podman/Events1", "io.podman.Events1", "GetEvents", "asa{sv}", "0", "0")
	}
	if _, err := page(asking); err != nil {
		return err
	}
	if err := d.settle(); err != nil {
		return err
	}
	overDBus, err := page(asking)
	if err != nil {
		return err
	}
	overVarlink, err := page(func() *exec.Cmd {
		return exec.Command(b.binary, "events", "--stream=false", "-n", "1000", "--format", "json", "--address", "unix:"+d.socket)
	})
	if err != nil {
		return err
	}
	b.table.add(row{
		work: work, ours: ms(overDBus), peer: "eventsvc events, as many: " + ms(overVarlink),
		ratio: strings.TrimSpace(times(float64(overDBus) / float64(overVarlink))),
	})
	return nil
}

// awaitName returns when the service owns its name on the bus. It requests the name
// after it has begun to listen on its socket.
func awaitName(address string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := exec.Command("busctl", "--address="+address, "status", "io.podman.Events1").CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("io.podman.Events1 did not appear on the bus: %w\n%s", err, out)
		}
		time.Sleep(10 * time.Millisecond) // asking again is simpler than watching the bus
	}
}
