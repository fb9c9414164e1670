package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// counters are what happens in a run.
type counters struct {
	delivered, visits, hostile, rotations, followers atomic.Int64
	missed, repeated, disordered                     atomic.Int64
}

// sample is what the daemon uses at one moment.
type sample struct {
	seconds                               float64
	rss, heap                             int // kB
	goroutines, descriptors, threads      int
	delivered, visits, subscribers, wrote int64
}

func (p sample) String() string {
	return fmt.Sprintf("%.1f MB resident, %.1f MB heap, %d goroutines, %d descriptors, %d threads",
		float64(p.rss)/1024, float64(p.heap)/1024, p.goroutines, p.descriptors, p.threads)
}

// sampling takes samples until it is ended.
type sampling struct {
	s    *soak
	file *os.File
	stop chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	list []sample
}

// samplePeriod is the time between samples.
const samplePeriod = 5 * time.Second

func (s *soak) startSampling() (*sampling, error) {
	f, err := os.Create(s.csv)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(f, "seconds,rss_kb,heap_kb,goroutines,descriptors,threads,subscribers,events_written,delivered,visits")
	p := &sampling{s: s, file: f, stop: make(chan struct{})}
	begun := time.Now()
	p.done.Go(func() {
		tick := time.NewTicker(samplePeriod)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			now, err := s.sample()
			if err != nil {
				s.problem("no sample: %v", err)
				continue
			}
			now.seconds = time.Since(begun).Seconds()
			p.mu.Lock()
			p.list = append(p.list, now)
			p.mu.Unlock()
			fmt.Fprintf(f, "%.0f,%d,%d,%d,%d,%d,%d,%d,%d,%d\n", now.seconds, now.rss, now.heap, now.goroutines, now.descriptors, now.threads,
				now.subscribers, now.wrote, now.delivered, now.visits)
		}
	})
	return p, nil
}

func (p *sampling) all() []sample { p.mu.Lock(); defer p.mu.Unlock(); return p.list }

func (p *sampling) end() {
	close(p.stop)
	p.done.Wait()
	_ = p.file.Close()
}

// settle waits for three consecutive samples with the same goroutines and descriptors,
// for two minutes at most, and returns the last.
func (p *sampling) settle() sample {
	first := len(p.all())
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		list := p.all()
		if n := len(list); n >= first+3 {
			a, b, c := list[n-1], list[n-2], list[n-3]
			same := a.goroutines == b.goroutines && b.goroutines == c.goroutines && a.descriptors == b.descriptors && b.descriptors == c.descriptors
			if same || time.Now().After(deadline) {
				return a
			}
		}
	}
}

// sample measures the daemon from outside, and reads what it reports.
func (s *soak) sample() (p sample, err error) {
	proc := fmt.Sprintf("/proc/%d/", s.daemon.Process.Pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return p, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		_, _ = fmt.Sscanf(line, "VmRSS: %d", &p.rss)
		_, _ = fmt.Sscanf(line, "Threads: %d", &p.threads)
	}
	entries, err := os.ReadDir(proc + "fd")
	if err != nil {
		return p, err
	}
	p.descriptors = len(entries)
	if text, err := os.ReadFile(s.dir + "/report"); err == nil {
		_, _ = fmt.Sscan(string(text), &p.goroutines, &p.heap)
	}
	w, err := dial(s.socket)
	if err != nil {
		return p, err
	}
	defer w.close()
	r, err := w.call("GetStatus", nil)
	if err != nil {
		return p, err
	}
	p.subscribers, p.wrote = r.Parameters.Subscribers, r.Parameters.EventsRead
	p.delivered, p.visits = s.counters.delivered.Load(), s.counters.visits.Load()
	return p, nil
}

// checkRest checks that the daemon has returned to its initial state, now that all
// clients have disconnected.
func (s *soak) checkRest(before, after sample) {
	if after.descriptors > before.descriptors+4 { // the log and its lock are open since it has written
		s.problem("descriptors: %d before, %d after", before.descriptors, after.descriptors)
	}
	if after.goroutines > before.goroutines+2 {
		s.problem("goroutines: %d before, %d after", before.goroutines, after.goroutines)
	}
	const most = 256 << 10 // kB: some times what it takes
	for _, p := range []sample{before, after} {
		if p.rss > most {
			s.problem("memory: %d kB", p.rss)
		}
	}
	if after.subscribers != 0 {
		s.problem("%d subscribers are left", after.subscribers)
	}
}
