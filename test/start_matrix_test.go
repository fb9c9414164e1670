//go:build systemd

package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// starts are the ways to begin reading. Each returns the name of the contract's error
// that it ended with, or "" if it began.
func (d *daemon) starts(conn *godbus.Conn) map[string]func(cursor string) string {
	t := d.t
	varlink := func(method string, p params) string {
		w, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer w.close()
		if err := w.send(method, p, method == "Subscribe"); err != nil {
			t.Fatal(err)
		}
		r, err := w.recv()
		if err != nil {
			return err.Error()
		}
		if r.Error == "io.podman.events.CursorExpired" && r.Parameters.Oldest == "" {
			return "CursorExpired without oldest"
		}
		return strings.TrimPrefix(r.Error, "io.podman.events.")
	}
	object := conn.Object(busName, objectPath)
	options := func(cursor string) map[string]godbus.Variant {
		return map[string]godbus.Variant{"after": godbus.MakeVariant(cursor)}
	}
	bus := func(err error) string {
		var fault godbus.Error
		if errors.As(err, &fault) {
			return strings.TrimPrefix(fault.Name, busName+".Error.")
		}
		if err != nil {
			return err.Error()
		}
		return ""
	}
	fault := func(said string) string {
		switch {
		case strings.Contains(said, "cannot understand cursor"):
			return "InvalidCursor"
		case strings.Contains(said, "cannot read events: the backend is 'none'"), strings.Contains(said, "cannot read the log: "):
			return "BackendUnavailable"
		}
		return said
	}
	tokens := 0
	command := func(name string, more ...string) func(string) string {
		return func(cursor string) string {
			args := append([]string{name, "--address", "unix:" + d.socket, "--after-cursor", cursor}, more...)
			out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
			var exit *exec.ExitError
			switch {
			case err == nil:
				return ""
			case errors.As(err, &exit) && exit.ExitCode() == 10:
				return "CursorExpired"
			}
			return fault(string(out))
		}
	}
	goClient := func(err error) string {
		var expired *events.ExpiredError
		switch {
		case err == nil:
			return ""
		case errors.As(err, &expired):
			return "CursorExpired"
		}
		return fault(err.Error())
	}
	return map[string]func(string) string{
		"Varlink Subscribe": func(cursor string) string { return varlink("Subscribe", params{"after": cursor}) },
		"Varlink GetEvents": func(cursor string) string { return varlink("GetEvents", params{"after": cursor}) },
		"D-Bus Subscribe": func(cursor string) string {
			tokens++
			token := fmt.Sprintf("m%d", tokens)
			err := object.Call(busName+".Subscribe", 0, token, []string{}, options(cursor)).Err
			if err == nil {
				err = object.Call(busName+".Unsubscribe", 0, token).Err
			}
			return bus(err)
		},
		"D-Bus GetEvents": func(cursor string) string {
			return bus(object.Call(busName+".GetEvents", 0, []string{}, options(cursor)).Err)
		},
		"D-Bus OpenStream": func(cursor string) string {
			var fd godbus.UnixFD
			if err := object.Call(busName+".OpenStream", 0, []string{}, options(cursor)).Store(&fd); err != nil {
				return bus(err)
			}
			stream := os.NewFile(uintptr(fd), "stream")
			defer stream.Close()
			line, err := bufio.NewReader(stream).ReadBytes('\n')
			var first struct {
				Ready bool
				Error string
			}
			if err != nil || json.Unmarshal(line, &first) != nil || !first.Ready && first.Error == "" {
				return fmt.Sprintf("%v in %s", err, line)
			}
			return strings.TrimPrefix(first.Error, "io.podman.events.")
		},
		"events":            command("events", "--stream=false"),
		"events, streaming": command("events", "--until", "200ms"),
		"exec":              command("exec", "--stream=false", "--", "true"),
		"wait":              command("wait", "--timeout", "100ms", "--filter", "event=create"),
		"client":            func(cursor string) string { return goClient(d.follows(cursor, nil)) },
	}
}

// follows makes the Go client subscribe, and returns the error that it gets before it is
// live.
func (d *daemon) follows(cursor string, onExpired func(*events.ExpiredError) bool) error {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	s, err := d.client().Subscribe(ctx, client.SubscribeOptions{After: cursor, OnExpired: onExpired})
	if err != nil {
		return err
	}
	defer s.Close()
	return nil
}

// TestStart_everyFaultOnEveryInterface: whichever way reading begins, on every store, each
// fault has its own error, and the call releases what it has taken: after more such calls
// than a user may have subscriptions, a valid one succeeds.
func TestStart_everyFaultOnEveryInterface(t *testing.T) {
	bus := testkit.StartBus(t, buspolicy.Session)
	conn, err := godbus.Connect(bus.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := startRoom(t)
	r.flush()
	r.send(podmanEntry("a", time.Now()))
	journal := r.startDaemon()
	file := newDaemon(t)
	appendTo(t, file.log, lineOf("a"))
	file.start()
	old := map[string]string{"journald": journal.history(nil)[0].Cursor, "file": file.history(nil)[0].Cursor}
	journal.stop()
	file.stop()

	r.rotate()
	r.settle()
	r.send(podmanEntry("b", time.Now()))
	r.run("journalctl", "-q", "--vacuum-files=1")
	if err := os.Remove(file.log); err != nil {
		t.Fatal(err)
	}
	appendTo(t, file.log, lineOf("b"))
	none := newDaemon(t)
	none.journal = true // no log file is given
	for _, store := range []struct {
		name string
		d    *daemon
		args []string
	}{{"journald", journal, nil}, {"file", file, nil}, {"none", none, []string{"--backend", "none"}}} {
		t.Run(store.name, func(t *testing.T) {
			d := store.d
			d.t = t
			d.args = append(append(d.args, store.args...), "--dbus", bus.Address())
			d.start()
			defer d.stop()
			awaitName(t, bus)
			faults := map[string]string{"nonsense": "InvalidCursor", old["file"] + "!": "InvalidCursor", old["journald"][:20]: "InvalidCursor"}
			for _, cursor := range old {
				faults[cursor] = "CursorExpired"
			}
			if store.name == "none" { // which keeps nothing, whatever is asked
				for cursor := range faults {
					faults[cursor] = "BackendUnavailable"
				}
			}
			for cursor, want := range faults {
				for way, start := range d.starts(conn) {
					if got := start(cursor); got != want {
						t.Errorf("%s after %q: %s, want %s", way, cursor, got, want)
					}
				}
			}
			if store.name == "file" { // which is then no log any more
				cursor := d.history(nil)[0].Cursor
				if err := errors.Join(os.Remove(d.log), os.Mkdir(d.log, 0o700)); err != nil {
					t.Fatal(err)
				}
				for way, start := range d.starts(conn) {
					if got := start(cursor); got != "BackendUnavailable" {
						t.Errorf("%s, of a directory: %s", way, got)
					}
				}
			}
			d.awaitNoSubscribers()
		})
	}
}
