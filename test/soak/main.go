// Command soak runs the daemon for a long time under every kind of load at once:
// processes that write and rotate its log as Podman does, programs that write
// through it, followers on both interfaces, and clients that come, go and misbehave. It
// checks the promises of the service from outside, for each follower, and records the
// daemon's memory, goroutines, descriptors and threads, as CSV and as a picture.
//
//	go run ./test/soak --duration 30m --csv soak.csv --svg docs/soak.svg
//
// It exits with 1 if an event was missed, repeated or out of order, or if resources were
// not released. The daemon is this program in another process, which runs the main
// function of eventsvc and also reports its number of goroutines.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/eventsvc/eventsvc/internal/cli"
	"github.com/eventsvc/eventsvc/test/imitate"
)

// The environment variable that gives this program another role.
const (
	roleVariable = "EVENTSVC_SOAK_ROLE"
	roleDaemon   = "daemon"
	rolePodman   = "podman"
	argVariable  = "EVENTSVC_SOAK_ARG"
)

func main() {
	switch os.Getenv(roleVariable) {
	case roleDaemon:
		go report(os.Getenv(argVariable))
		os.Exit(cli.Main())
	case rolePodman:
		os.Exit(writeAsPodman())
	}
	var o options
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "how long to run")
	flag.StringVar(&o.csv, "csv", "soak.csv", "where the samples go")
	flag.StringVar(&o.svg, "svg", "soak.svg", "where the picture goes")
	flag.IntVar(&o.rate, "rate", 100, "events per second of each of the four writers")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

type options struct {
	duration time.Duration
	csv, svg string
	rate     int
}

// again returns a command that is this program in another role.
func again(role, arg string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, argVariable+"="+arg)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	return cmd
}

// The work of one Podman: it writes a number of events a second until it is stopped, and
// then prints how many it wrote, and how often it rotated the log.
func writeAsPodman() int {
	rate, _ := strconv.Atoi(os.Args[3])
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	p := imitate.Podman{Path: os.Args[1], Limit: podmanLimit, Markers: imitate.MarkBoth}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	for n := 0; ; n++ {
		select {
		case <-stop:
			fmt.Println(n, p.Rotations)
			return 0
		case <-tick.C:
		}
		if err := p.Write(imitate.Line(fmt.Sprintf("%s-%d", os.Args[2], n), time.Now())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// podmanLimit is Podman's default size of its log.
const podmanLimit = 1_000_000

// soak is a run.
type soak struct {
	options
	dir, log, socket, bus string
	daemon                *exec.Cmd

	ctx      context.Context // ends when writers and visitors have to
	began    time.Time
	counters counters

	mu       sync.Mutex
	problems []string
	wrote    map[string]int // how many events each writer wrote
}

func (s *soak) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fmt.Sprintf(format, args...); len(s.problems) < 100 {
		s.problems = append(s.problems, text)
		fmt.Fprintln(os.Stderr, "soak: PROBLEM:", text)
	}
}

func (o options) run() error {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &soak{
		options: o, dir: dir, log: filepath.Join(dir, "events.log"), socket: filepath.Join(dir, "s"),
		wrote: make(map[string]int),
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.ctx = ctx
	endBus, err := s.startBus()
	if err != nil {
		return err
	}
	defer endBus()
	if err := s.startDaemon(); err != nil {
		return err
	}
	defer func() { _ = s.daemon.Process.Kill() }()
	samples, err := s.startSampling()
	if err != nil {
		return err
	}
	before := samples.settle()
	s.began = time.Now()

	followers := s.startFollowers()
	writers := s.startWriters()
	visitors := s.startVisitors()
	time.Sleep(s.duration)
	stop()
	visitors.Wait()
	writers.Wait()
	if err := s.writeEnd(); err != nil {
		return err
	}
	followers.Wait()
	after := samples.settle()
	samples.end()
	s.checkRest(before, after)
	if err := s.stopDaemon(); err != nil {
		s.problem("the daemon ended with %v", err)
	}
	return s.conclude(samples, before, after)
}

// conclude writes the picture and prints the result.
func (s *soak) conclude(samples *sampling, before, after sample) error {
	total := 0
	for _, n := range s.wrote {
		total += n
	}
	c := &s.counters
	summary := []string{
		fmt.Sprintf("%s: %d events written by %d writers, the log rotated %d times", s.duration, total, len(s.wrote), c.rotations.Load()),
		fmt.Sprintf("%d deliveries to %d followers, visitors and readers of the past; %d visits, %d misbehaving clients", c.delivered.Load(), c.followers.Load(),
			c.visits.Load(), c.hostile.Load()),
		fmt.Sprintf("missed %d, repeated %d, out of order %d, other problems %d", c.missed.Load(), c.repeated.Load(), c.disordered.Load(),
			len(s.problems)),
		fmt.Sprintf("before: %s", before), fmt.Sprintf("after:  %s", after),
	}
	for _, line := range summary {
		fmt.Println(line)
	}
	if err := os.WriteFile(s.svg, plot(samples.all(), summary), 0o600); err != nil {
		return err
	}
	if n := len(s.problems); n > 0 {
		return fmt.Errorf("%d problems", n)
	}
	return nil
}
