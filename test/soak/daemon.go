package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// startBus starts a session bus, if dbus-daemon is installed.
func (s *soak) startBus() (end func(), err error) {
	program, _ := exec.LookPath("dbus-daemon")
	if program == "" {
		fmt.Fprintln(os.Stderr, "soak: no dbus-daemon: D-Bus is left out")
		return func() {}, nil
	}
	cmd := exec.Command(program, "--session", "--nofork", "--nopidfile", "--print-address", "--address=unix:path="+s.dir+"/bus")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	s.bus = strings.TrimSpace(address)
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// startDaemon starts the daemon and waits until it answers.
func (s *soak) startDaemon() error {
	bus := s.bus
	if bus == "" {
		bus = "none"
	}
	s.daemon = again(roleDaemon, s.dir+"/report", "serve", "--backend", "file", "--log-file", s.log, "--listen", "unix:"+s.socket, "--dbus", bus)
	if err := s.daemon.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		w, err := dial(s.socket)
		if err == nil {
			_, err = w.call("GetStatus", nil)
			w.close()
		}
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the daemon does not answer: %w", err)
		}
	}
}

func (s *soak) stopDaemon() error {
	if err := s.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.daemon.Wait()
}

// report is what the daemon says about itself, each second, into a file.
func report(path string) {
	for range time.Tick(time.Second) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		text := fmt.Sprintf("%d %d\n", runtime.NumGoroutine(), m.HeapInuse>>10)
		if os.WriteFile(path+".new", []byte(text), 0o600) == nil {
			_ = os.Rename(path+".new", path)
		}
	}
}
