package test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// activate does what systemd does with a socket unit: it starts the service whenever a
// client waits on the socket and no service runs, until the test ends. It returns how
// often it did.
func activate(t *testing.T, socket string, args ...string) (starts func() int) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	var mu sync.Mutex
	var running *exec.Cmd
	count, ended := 0, false
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
			if n, err := unix.Poll(fds, 50); n <= 0 || err != nil {
				mu.Lock()
				over := ended
				mu.Unlock()
				if over {
					return
				}
				continue
			}
			// LISTEN_PID is the process's own ID, which only sh knows.
			c := exec.Command("/bin/sh", append([]string{
				"-c", `LISTEN_FDS=1 LISTEN_FDNAMES=varlink LISTEN_PID=$$ exec "$0" serve "$@"`, binary,
			}, args...)...)
			c.ExtraFiles = []*os.File{file}
			stderr := new(testkit.Buffer)
			c.Stderr = stderr
			mu.Lock()
			if ended {
				mu.Unlock()
				return
			}
			err := c.Start()
			running = c
			count++
			mu.Unlock()
			if err == nil {
				err = c.Wait()
			}
			mu.Lock()
			over := ended
			running = nil
			mu.Unlock()
			if over {
				return
			}
			if err != nil {
				t.Errorf("the service ended with %v\n%s", err, stderr)
			}
		}
	}()
	t.Cleanup(func() {
		mu.Lock()
		ended = true
		if running != nil {
			_ = running.Process.Kill()
		}
		mu.Unlock()
		<-done
		file.Close()
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// No client is dropped by a service that exits when idle.
func TestIdle_noClientLost(t *testing.T) {
	dir := testkit.ShortDir(t)
	socket := filepath.Join(dir, "s")
	const idle = 15 * time.Millisecond
	starts := activate(t, socket, "--backend", "file", "--log-file", filepath.Join(dir, "events.log"), "--dbus", "none",
		"--exit-idle-time", idle.String(), "--config", "/dev/null")
	r := random(t)
	clients := counts(40, 300)
	for i := range clients {
		c, err := dial(socket)
		if err != nil {
			t.Fatalf("client %d cannot connect: %v", i, err)
		}
		if err := c.send("GetStatus", params{}, false); err != nil {
			t.Fatalf("client %d cannot call: %v", i, err)
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if reply, err := c.recv(); err != nil || reply.Error != "" {
			t.Fatalf("client %d got %+v, %v", i, reply, err)
		}
		c.close()
		// About as long as it takes to become idle and to exit.
		time.Sleep(idle + time.Duration(r.IntN(int(20*time.Millisecond))) - 8*time.Millisecond)
	}
	t.Logf("%d clients, %d starts", clients, starts())
	if starts() < 2 {
		t.Error("the service never ended")
	}
}

// A follower keeps the service from being idle.
func TestIdle_followerKeepsService(t *testing.T) {
	d := newDaemon(t, "--exit-idle-time", "50ms")
	d.start()
	c := d.subscribe(params{})
	// If the end of any client started the clock, it would run from the moment that
	// another process has come and gone.
	other, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	other.close()
	time.Sleep(500 * time.Millisecond) // ten times as long as it takes to be idle
	appendTo(t, d.log, `{"Name":"v","Status":"create","Time":"2026-11-23T12:00:00Z","Type":"volume"}`+"\n")
	for {
		reply, err := c.recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := reply.Parameters.Event; e != nil {
			break
		}
	}
	c.close()
	ended := make(chan error, 1)
	go func() { ended <- d.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v\n%s", err, d.stderr)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("it does not end\n%s", d.stderr)
	}
	if _, err := os.Stat(d.socket); err == nil {
		t.Error("the socket is still there")
	}
}

// activatedBus is a bus like the system bus, which starts the service itself.
const activatedBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth><servicedir>%[1]s/services</servicedir>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>`

// No call is dropped by a service that exits when idle.
func TestIdle_noCallLost(t *testing.T) {
	testkit.Need(t, "dbus-daemon")
	dir := testkit.OpenDir(t)
	bus := "unix:path=" + dir + "/bus"
	const idle = 15 * time.Millisecond
	conf := filepath.Join(dir, "bus.conf")
	starts := filepath.Join(dir, "starts")
	script := filepath.Join(dir, "start.sh")
	if err := os.Mkdir(filepath.Join(dir, "services"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		conf: fmt.Sprintf(activatedBus, dir),
		// Several may run for a moment: each has a socket of its own.
		script: fmt.Sprintf("#!/bin/sh\necho >>%s\nexec %s serve --config /dev/null --dbus %s --listen unix:%s/s$$ --backend file "+
			"--log-file %s/events.log --exit-idle-time %v 2>>%s/log\n", starts, binary, bus, dir, dir, idle, dir),
		filepath.Join(dir, "services", "io.podman.Events1.service"): fmt.Sprintf("[D-BUS Service]\nName=io.podman.Events1\nUser=%s\nExec=%s\n",
			"root", script),
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	daemon := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--print-address=1", "--nopidfile", "--nosyslog")
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	if _, err := out.Read(make([]byte, 256)); err != nil {
		t.Fatal(err)
	}
	conn, err := godbus.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	object := conn.Object("io.podman.Events1", "/io/podman/Events1")
	calls := counts(30, 200)
	r := random(t)
	for i := range calls {
		var version godbus.Variant
		ctx := within(t, 20*time.Second)
		err := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "io.podman.Events1", "Version").Store(&version)
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("call %d: %v\n%s", i, err, log)
		}
		time.Sleep(idle + time.Duration(r.IntN(int(10*time.Millisecond))) - 3*time.Millisecond)
	}
	text, _ := os.ReadFile(starts)
	t.Logf("%d calls, %d starts", calls, len(text))
	if len(text) < 2 {
		t.Error("the service never ended")
	}
}

// TestIdle_ownSocket lets clients connect at about the time that the service exits. Only
// this test starts it again. Clients cannot connect, or they get a reply.
func TestIdle_ownSocket(t *testing.T) {
	const idle = 5 * time.Millisecond
	d := newDaemon(t, "--exit-idle-time", idle.String())
	r := random(t)
	for range counts(20, 100) {
		d.launch()
		ended, over := make(chan error, 1), make(chan struct{})
		go func() {
			defer close(over)
			ended <- d.cmd.Wait()
		}()
		t.Cleanup(func() { // only one may wait for it
			_ = d.cmd.Process.Kill()
			<-over
		})
		began := time.Now()
		for serving, found := true, false; serving; {
			w, err := dial(d.socket)
			switch {
			case err == nil:
				found = true
				if reply, err := w.ask(); err != nil || reply.Error != "" {
					t.Fatalf("a client that could connect got %+v, %v\n%s", reply, err, d.stderr)
				}
				w.close()
			case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
				t.Fatal(err)
			default: // it has ended: no client is turned away by one that continues
				patience := 20 * time.Second
				if !found { // it has not begun
					patience = time.Millisecond
				}
				select {
				case err := <-ended:
					serving = false
					if err != nil {
						t.Fatalf("it ended with %v\n%s", err, d.stderr)
					}
				case <-time.After(patience):
					if found || time.Since(began) > time.Minute {
						_ = d.cmd.Process.Signal(syscall.SIGQUIT) // which shows what it is at
						<-ended
						t.Fatalf("no client can connect, and it does not exit\n%s", d.stderr)
					}
				}
			}
			// About as long as it takes to become idle.
			time.Sleep(idle + time.Duration(r.IntN(int(2*time.Millisecond))) - time.Millisecond)
		}
	}
}
