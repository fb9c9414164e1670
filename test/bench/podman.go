package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// podman is a Podman with storage of its own, which does not rotate its log.
type podman struct {
	missing string // why it cannot be used
	name    string // with its version
	dir     string
	script  string
	log     string // path of the log; "" before the first use
}

// peerScript returns the path of a script that runs a peer.
func peerScript(name string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "peers", name)
}

// newPodman returns the Podman that a script runs, in a directory of its own.
func newPodman(dir, script string) *podman {
	p := &podman{name: "podman", dir: filepath.Join(dir, script), script: peerScript(script)}
	if os.Getuid() != 0 {
		p.missing = "podman needs root here"
		return p
	}
	out, err := p.command("--version").Output()
	if err != nil {
		p.missing = "test/peers/" + script + " does not find it"
		return p
	}
	p.name = strings.Replace(strings.TrimSpace(string(out)), " version", "", 1)
	return p
}

func (p *podman) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.script, append([]string{p.dir}, args...)...)
	cmd.Env = append(os.Environ(), "EVENTSVC_LOG_MAX_SIZE=10g")
	return cmd
}

// prepare creates the storage, and returns the path of Podman's log.
func (p *podman) prepare() (string, error) {
	if p.log != "" {
		return p.log, nil
	}
	if out, err := p.command("volume", "create", "first").CombinedOutput(); err != nil {
		return "", fmt.Errorf("podman: %w\n%s", err, out)
	}
	out, err := p.command("--log").Output()
	if err != nil {
		return "", err
	}
	p.log = strings.TrimSpace(string(out))
	return p.log, nil
}

func (p *podman) clean() {
	if p.log != "" {
		_ = p.command("--clean").Run()
	}
}

// read measures how long Podman takes to read its log with these filters.
func (p *podman) read(args []string) (time.Duration, error) {
	cmd := p.command(append([]string{"events", "--stream=false", "--format", "json"}, args...)...)
	// Its output is read, like that of grep.
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	_, copied := io.CopyBuffer(struct{ io.Writer }{io.Discard}, out, make([]byte, 256<<10))
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("podman events: %w", err)
	}
	return time.Since(began), copied
}

// follower is a running podman events that follows the log.
type follower struct {
	cmd  *exec.Cmd
	seen chan time.Time // times at which it printed an event
}

// follow starts a follower, and returns when it prints what is appended.
func (p *podman) follow() (*follower, error) {
	path, err := p.prepare()
	if err != nil {
		return nil, err
	}
	f := &follower{cmd: p.command("events", "--format", "json"), seen: make(chan time.Time)}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(f.seen)
		for r := bufio.NewScanner(out); r.Scan(); {
			f.seen <- time.Now()
		}
	}()
	for range 20 { // it does not report that it follows
		if err := appendEvent(path); err != nil {
			f.end()
			return nil, err
		}
		for shown := false; ; {
			select {
			case <-f.seen:
				shown = true
				continue
			case <-time.After(time.Second): // it polls every 250 ms
			}
			if shown {
				return f, nil
			}
			break
		}
	}
	f.end()
	return nil, errors.New("podman events prints nothing")
}

func (f *follower) pid() int { return f.cmd.Process.Pid }

func (f *follower) end() {
	_ = f.cmd.Process.Kill()
	for range f.seen {
	}
	_ = f.cmd.Wait()
}
