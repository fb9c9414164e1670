package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// The sockets and names of auto-update.
const (
	updaterSocket = "/run/eventsvc/io.podman.autoupdate"
	updaterOnBus  = "io.podman.AutoUpdate1 /io/podman/AutoUpdate1 io.podman.AutoUpdate1 "
)

// varlink calls a method of auto-update and returns the replies.
func (l *lab) varlink(method, parameters string, flags ...string) []string {
	l.t.Helper()
	out := l.run(append(append([]string{"varlinkctl", "--json=short"}, flags...), "call", "unix:"+updaterSocket,
		"io.podman.autoupdate."+method, parameters)...)
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(out, "\x1e", "")), "\n") // a sequence of JSON texts, with --more
}

// pipe is what a program reads and writes.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// callOverBus begins a run over D-Bus and returns the signals that the caller gets
// until it has ended.
func (l *lab) callOverBus(method string, args ...any) string {
	l.t.Helper()
	bridge := l.command(l.t.Context(), "systemd-stdio-bridge")
	in, err := bridge.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := bridge.StdoutPipe()
	if err == nil {
		err = bridge.Start()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	bus, err := godbus.NewConn(pipe{out, in})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() {
		_ = bus.Close()
		_ = bridge.Wait()
	}()
	if err = bus.Auth(nil); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	signals := make(chan *godbus.Signal, 100)
	bus.Signal(signals)
	var id string
	ctx, stop := context.WithTimeout(l.t.Context(), bootPatience)
	defer stop()
	call := bus.Object("io.podman.AutoUpdate1", "/io/podman/AutoUpdate1").CallWithContext(ctx, "io.podman.AutoUpdate1."+method, 0, args...)
	if err := call.Store(&id); err != nil {
		l.t.Fatal(err)
	}
	all := ""
	for {
		select {
		case s := <-signals:
			if len(s.Body) == 0 || s.Body[0] != id {
				continue
			}
			all += fmt.Sprintln(s.Name, s.Body)
			if strings.HasSuffix(s.Name, ".Finished") {
				return all
			}
		case <-ctx.Done():
			l.t.Fatalf("the run did not end; signals:\n%s", all)
		}
	}
}

// updateOverInterfaces: Varlink and D-Bus do the same; calls start the service; callers
// follow a run step by step; only root may call.
func updateOverInterfaces(l *lab) {
	l.put("/etc/systemd/system/eventsvc-updater.service.d/idle.conf",
		"[Service]\nExecStart=\nExecStart=/usr/libexec/eventsvc/eventsvc-updater serve --exit-idle-time 1s\n")
	l.run("systemctl", "enable", "--now", "eventsvc-updater.socket")
	l.push("face", "good")
	image, old := goodRegistry+"/face:latest", l.version
	l.start(quadlet{name: "face", image: image})
	contains(l.t, l.run("readlink", "/run/varlink/registry/io.podman.autoupdate"), updaterSocket)
	contains(l.t, l.varlink("List", "{}")[0], `"name":"face"`, `"unit":"face.service"`, `"settleSec":4`)

	l.push("face", "good")
	contains(l.t, l.varlink("Check", `{"units":["face"]}`)[0], `"result":"pending"`, `"updated":"pending"`)
	replies := l.varlink("Update", `{"units":["face"]}`, "--more")
	var first struct{ ID string }
	if err := json.Unmarshal([]byte(replies[0]), &first); err != nil || first.ID == "" {
		l.t.Errorf("first reply: %s", replies[0])
	}
	all := strings.Join(replies, "\n")
	contains(l.t, all, `"name":"check"`, `"name":"pull"`, `"name":"restart","object":"face.service"`, `"name":"watch"`, `"durationMSec":4000`)
	contains(l.t, replies[len(replies)-1], `"id":"`+first.ID+`"`, `"exitCode":0`, `"result":"updated"`)
	if got := l.versionOf("face"); got != fmt.Sprint(l.version) {
		l.t.Errorf("it runs version %s, want %d", got, l.version)
	}
	contains(l.t, l.varlink("GetRuns", "{}")[0], `"id":"`+first.ID+`"`)

	// A rollback over D-Bus, which starts the service again: the caller gets each step.
	l.eventually("inactive", "sh", "-c", "systemctl is-active eventsvc-updater.service")
	signals := l.callOverBus("Rollback", "face")
	contains(l.t, signals, "Progress", "tag-back", "roll-back", "Finished", "rolled-back")
	if got := l.versionOf("face"); got != fmt.Sprint(old) {
		l.t.Errorf("it runs version %s, want %d", got, old)
	}
	contains(l.t, l.sh("busctl call "+updaterOnBus+"GetRuns"), `"face.service"`, `"rolled back by hand"`)
	contains(l.t, l.sh("busctl call "+updaterOnBus+"Check asa{sv} 0 0"), `"held"`)
	l.sh("busctl call " + updaterOnBus + "Release s " + image)

	// Both have a named error for each mistake.
	for _, refused := range []struct{ command, want string }{
		{"varlinkctl call unix:" + updaterSocket + ` io.podman.autoupdate.Release '{"image":"x"}'`, "io.podman.autoupdate.NotHeld"},
		{"busctl call " + updaterOnBus + "Release s x", "it is not held"},
		{"varlinkctl call unix:" + updaterSocket + ` io.podman.autoupdate.Rollback '{"unit":"x"}'`, "io.podman.autoupdate.NothingToRollBack"},
		{"busctl call " + updaterOnBus + "Rollback s x", "no managed container of it runs"},
		{"setpriv --reuid=65534 --clear-groups varlinkctl call unix:" + updaterSocket + " io.podman.autoupdate.List '{}'", "Permission denied"},
		{"setpriv --reuid=65534 --clear-groups busctl call " + updaterOnBus + "List", "denied"},
	} {
		out, err := l.try("sh", "-c", refused.command+" 2>&1")
		if err == nil || !strings.Contains(out, refused.want) {
			l.t.Errorf("%s: %v, %s, want %s", refused.command, err, out, refused.want)
		}
	}
	l.clear("face")
}
