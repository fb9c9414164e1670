package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// start measures how long a client waits that makes systemd start the daemon: from the
// start of the process, which gets the socket, to the first reply.
func start(b *bench) error {
	l, err := b.generate(b.size.events)
	if err != nil {
		return err
	}
	const most = 30 * time.Millisecond
	for _, q := range []struct {
		work  string
		frame []byte
	}{
		{"subscriber is ready", call("Subscribe", params{}, true)},
		{"first page of the history", call("GetEvents", params{}, false)},
		{"last event of a status", call("GetLastEvent", params{"filters": []string{"status=died"}}, false)},
	} {
		took, err := medianOf(b, func() (time.Duration, error) { return b.activate(l, q.frame) })
		if err != nil {
			return err
		}
		b.table.atMost("first reply of a daemon just started, "+thousands(l.Events)+" events: "+q.work, ms(took), ms(most), took <= most)
	}
	return nil
}

// activate starts a daemon as systemd does for a client that is already waiting.
func (b *bench) activate(l *log, frame []byte) (time.Duration, error) {
	socket := filepath.Join(b.dir, "activated")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	w, err := dial(socket)
	if err != nil {
		return 0, err
	}
	defer w.close()
	if err := w.send(frame); err != nil {
		return 0, err
	}
	// Only the shell knows the process ID that the daemon will have: its own.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", b.binary}, serveArgs(l.path)...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{file}
	p := process{cmd: cmd}
	cmd.Stderr = &p.stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer p.stop()
	reply, err := w.recv()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, p.stderr.String())
	}
	if !bytes.HasPrefix(reply, []byte(`{"parameters"`)) {
		return 0, fmt.Errorf("unexpected reply: %.300s", reply)
	}
	return took, nil
}
