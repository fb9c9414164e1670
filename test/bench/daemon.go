package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// buildDaemon builds the daemon as make does.
func buildDaemon(path string) error {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "github.com/eventsvc/eventsvc/cmd/eventsvc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build eventsvc: %w\n%s", err, out)
	}
	return nil
}

// daemon is a running eventsvc serve.
type daemon struct {
	log, socket string
	process
}

// process is a process that was started by this program, which also stops it.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// startProcess starts a program and waits for its socket.
func (p *process) start(cmd *exec.Cmd, socket string) error {
	cmd.Stderr = &p.stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := dial(socket)
		if err == nil {
			c.close()
			return nil
		}
		if time.Now().After(deadline) {
			p.stop()
			return fmt.Errorf("%s does not reply: %w\n%s", cmd.Path, err, p.stderr.String())
		}
		time.Sleep(2 * time.Millisecond) // nothing announces the socket
	}
}

// stop ends the process and waits for it.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// serveArgs are the arguments of a daemon that serves a log.
func serveArgs(log string) []string {
	return []string{"serve", "--backend", "file", "--log-file", log, "--dbus", "none"}
}

// startDaemon starts a daemon on a log; "": on a new, empty one.
func (b *bench) startDaemon(log string, options ...string) (*daemon, error) {
	dir, err := os.MkdirTemp(b.dir, "d")
	if err != nil {
		return nil, err
	}
	d := &daemon{log: log, socket: filepath.Join(dir, "s")}
	if log == "" {
		d.log = filepath.Join(dir, "events.log")
	}
	args := append(serveArgs(d.log), "--listen", "unix:"+d.socket)
	return d, d.start(exec.Command(b.binary, append(args, options...)...), d.socket)
}

// memory returns the resident memory in bytes.
func (p *process) memory() (int, error) {
	var kB int
	text := field(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid), "VmRSS", "")
	if _, err := fmt.Sscan(text, &kB); err != nil {
		return 0, fmt.Errorf("cannot read the memory of %s: %w", p.cmd.Path, err)
	}
	return kB << 10, nil
}

// processorTime returns the processor time that the process has used.
func (p *process) processorTime() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the program's name does not contain it
	fields := strings.Fields(rest)
	const utime, stime, ticks = 11, 12, 100 // proc_pid_stat(5); Linux counts hundredths of a second here
	var user, system int64
	if len(fields) > stime {
		_, err = fmt.Sscan(fields[utime]+" "+fields[stime], &user, &system)
	}
	return time.Duration(user+system) * time.Second / ticks, err
}

// settle returns when the process is idle: it may still do work that no client waits
// for, such as building its index.
func (p *process) settle() error {
	const pause = 250 * time.Millisecond
	before := -1
	for range 240 {
		now, err := switches(p.cmd.Process.Pid)
		if err != nil || now == before {
			return err
		}
		before = now
		time.Sleep(pause)
	}
	return fmt.Errorf("%s does not become idle", p.cmd.Path)
}

// switches returns how often the threads of a process were scheduled.
func switches(pid int) (int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		return 0, errors.Join(errors.New("cannot read the threads of a process"), err)
	}
	total := 0
	for _, task := range tasks {
		for _, name := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			var n int
			if _, err := fmt.Sscan(field(task, name, "0"), &n); err != nil {
				return 0, err
			}
			total += n
		}
	}
	return total, nil
}

// thisProgram returns a command that runs this program as a peer.
func thisProgram(child string, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(path, append([]string{childPrefix + child}, args...)...), nil
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	var parts []string
	for len(text) > 3 {
		parts = append([]string{text[len(text)-3:]}, parts...)
		text = text[:len(text)-3]
	}
	return strings.Join(append([]string{text}, parts...), ",")
}
