package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// endName is the name of the last event.
const endName = "end-0"

// startWriters starts two programs that write through the daemon, and two imitations of
// Podman that write and rotate the log directly.
func (s *soak) startWriters() *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { s.writeThrough(fmt.Sprintf("w%d", i)) })
		all.Go(func() { s.runPodman(fmt.Sprintf("p%d", i)) })
	}
	return &all
}

func (s *soak) writeThrough(name string) {
	w, err := dial(s.socket)
	if err != nil {
		s.problem("%s: %v", name, err)
		return
	}
	defer w.close()
	tick := time.NewTicker(time.Second / time.Duration(s.rate))
	defer tick.Stop()
	n := 0
	defer func() { s.noteWritten(name, n) }()
	for ; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		event := params{"type": "container", "status": "start", "name": fmt.Sprintf("%s-%d", name, n), "image": "example.org/image"}
		if _, err := w.call("WriteEvent", params{"event": event}); err != nil {
			s.problem("%s-%d: %v", name, n, err)
			return
		}
	}
}

func (s *soak) runPodman(name string) {
	cmd := again(rolePodman, "", s.log, name, strconv.Itoa(s.rate))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.problem("%s: %v", name, err)
		return
	}
	<-s.ctx.Done()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	var wrote, rotations int
	if _, err := fmt.Fscan(out, &wrote, &rotations); err != nil {
		s.problem("%s: %v", name, err)
	}
	if err := cmd.Wait(); err != nil {
		s.problem("%s: %v", name, err)
	}
	s.counters.rotations.Add(int64(rotations))
	s.noteWritten(name, wrote)
}

func (s *soak) noteWritten(name string, n int) { s.mu.Lock(); defer s.mu.Unlock(); s.wrote[name] = n }

func (s *soak) writeEnd() error {
	w, err := dial(s.socket)
	if err != nil {
		return err
	}
	defer w.close()
	_, err = w.call("WriteEvent", params{"event": params{"type": "volume", "status": "create", "name": endName}})
	return err
}

// watcher checks what one follower gets: the numbers of each writer must follow each
// other.
type watcher struct {
	s    *soak
	who  string
	next map[string]int
}

// see takes a name; ended is true for the last one.
func (o *watcher) see(name string) (ended bool) {
	if name == endName {
		return true
	}
	writer, text, ok := strings.Cut(name, "-")
	number, err := strconv.Atoi(text)
	if !ok || err != nil {
		return false // a marker of rotation
	}
	o.s.counters.delivered.Add(1)
	next, known := o.next[writer]
	c := &o.s.counters
	switch {
	case !known || number == next:
	case number == next-1:
		c.repeated.Add(1)
		o.s.problem("%s got %s again", o.who, name)
	case number < next:
		c.disordered.Add(1)
		o.s.problem("%s got %s after %d", o.who, name, next-1)
		return false
	default:
		c.missed.Add(int64(number - next))
		o.s.problem("%s got %s where %d was due", o.who, name, next)
	}
	o.next[writer] = number + 1
	return false
}

// all checks that every event has arrived, from the first one on.
func (o *watcher) all() {
	o.s.mu.Lock()
	wrote := make(map[string]int)
	for name, n := range o.s.wrote {
		wrote[name] = n
	}
	o.s.mu.Unlock()
	for name, n := range wrote {
		if o.next[name] != n {
			o.s.counters.missed.Add(int64(n - o.next[name]))
			o.s.problem("%s got %d events of %s, which wrote %d", o.who, o.next[name], name, n)
		}
	}
}

func (s *soak) watcher(who string) *watcher {
	return &watcher{s: s, who: who, next: map[string]int{"w0": 0, "w1": 0, "p0": 0, "p1": 0}}
}

// startFollowers starts the clients that follow from the first event to the last: six on
// Varlink, one of which reads in batches, and two on D-Bus.
func (s *soak) startFollowers() *sync.WaitGroup {
	var all, ready sync.WaitGroup
	follow := func(who string, f func(o *watcher, ready func()) error) {
		s.counters.followers.Add(1)
		ready.Add(1)
		all.Go(func() {
			o := s.watcher(who)
			once := sync.OnceFunc(ready.Done)
			defer once()
			if err := f(o, once); err != nil {
				s.problem("%s: %v", who, err)
				return
			}
			o.all()
		})
	}
	for i := range 5 {
		follow(fmt.Sprintf("follower %d", i), func(o *watcher, ready func()) error { return s.followVarlink(o, ready, 0) })
	}
	// On average it is faster than the writers, or it would lose its position eventually.
	follow("the one who reads in gulps", func(o *watcher, ready func()) error { return s.followVarlink(o, ready, 2*time.Second) })
	if s.bus != "" {
		follow("the stream on D-Bus", s.followStream)
		follow("the subscriber on D-Bus", s.followSignals)
	}
	ready.Wait()
	return &all
}

func (s *soak) followVarlink(o *watcher, ready func(), pause time.Duration) error {
	w, err := dial(s.socket)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.send("Subscribe", params{"fromStart": true}, true); err != nil {
		return err
	}
	for n := 0; ; n++ {
		r, err := w.receive()
		if err != nil {
			return err
		}
		ready()
		if r.Parameters.Event != nil && o.see(r.Parameters.Event.Name) {
			return nil
		}
		if pause > 0 && n%1000 == 999 {
			time.Sleep(pause)
		}
	}
}

const (
	busName = "io.podman.Events1"
	busPath = "/io/podman/Events1"
)

func (s *soak) followStream(o *watcher, ready func()) error {
	c, err := godbus.Connect(s.bus)
	if err != nil {
		return err
	}
	defer c.Close()
	var fd godbus.UnixFD
	call := c.Object(busName, busPath).Call(busName+".OpenStream", 0, []string{}, map[string]godbus.Variant{"from_start": godbus.MakeVariant(true)})
	if err := call.Store(&fd); err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "stream")
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		b, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		var line struct {
			Error string
			Event *struct{ Name string }
		}
		if err := json.Unmarshal(b, &line); err != nil || line.Error != "" {
			return fmt.Errorf("%w %s", err, b)
		}
		ready()
		if line.Event != nil && o.see(line.Event.Name) {
			return nil
		}
	}
}

func (s *soak) followSignals(o *watcher, ready func()) error {
	c, err := godbus.Connect(s.bus)
	if err != nil {
		return err
	}
	defer c.Close()
	signals := make(chan *godbus.Signal, 1<<16)
	c.Signal(signals)
	if err := c.Object(busName, busPath).Call(busName+".Subscribe", 0, "soak", []string{}, map[string]godbus.Variant{
		"from_start": godbus.MakeVariant(true),
	}).Err; err != nil {
		return err
	}
	ready()
	sequence := uint64(0)
	for signal := range signals {
		switch signal.Name {
		case busName + ".Ended":
			return fmt.Errorf("it ended: %v", signal.Body)
		case busName + ".Event":
			details, _ := signal.Body[5].(map[string]godbus.Variant)
			if n, _ := details["sequence"].Value().(uint64); n != sequence+1 {
				return fmt.Errorf("sequence %d after %d", n, sequence)
			}
			sequence++
			if name, _ := signal.Body[3].(string); o.see(name) {
				return nil
			}
		}
	}
	return io.ErrUnexpectedEOF
}

// startVisitors starts clients that come and go: some follow after the cursor that they
// had when they left, some read history, and some misbehave.
func (s *soak) startVisitors() *sync.WaitGroup {
	var all sync.WaitGroup
	visit := func(every time.Duration, f func() error) {
		all.Go(func() {
			for {
				select {
				case <-s.ctx.Done():
					return
				case <-time.After(time.Duration(rand.Int64N(int64(2 * every)))):
				}
				if err := f(); err != nil {
					s.problem("a visitor: %v", err)
				}
			}
		})
	}
	for i := range 4 {
		o := s.watcher(fmt.Sprintf("visitor %d", i))
		clear(o.next) // it begins somewhere
		cursor := ""
		visit(200*time.Millisecond, func() error { return s.followOn(o, &cursor) })
	}
	visit(time.Second, s.readPast)
	visit(50*time.Millisecond, s.misbehave)
	return &all
}

// followOn follows for a short time, after its last cursor.
func (s *soak) followOn(o *watcher, cursor *string) error {
	w, err := dial(s.socket)
	if err != nil {
		return err
	}
	defer w.close()
	s.counters.visits.Add(1)
	p := params{}
	if *cursor != "" {
		p["after"] = *cursor
	}
	if err := w.send("Subscribe", p, true); err != nil {
		return err
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
	defer context.AfterFunc(s.ctx, func() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) })()
	for n := rand.IntN(200); n >= 0; n-- {
		r, err := w.receive()
		if errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", o.who, err)
		}
		*cursor = r.Parameters.Cursor
		if r.Parameters.Event != nil {
			o.see(r.Parameters.Event.Name)
		}
	}
	return nil
}

// readPast reads the whole history, and checks that nothing is missing in between.
func (s *soak) readPast() error {
	w, err := dial(s.socket)
	if err != nil {
		return err
	}
	defer w.close()
	s.counters.visits.Add(1)
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	if err := w.send("GetEvents", params{}, true); err != nil {
		return err
	}
	o := s.watcher("a reader of the past")
	clear(o.next)
	for {
		r, err := w.receive()
		if err != nil {
			return err
		}
		for _, e := range r.Parameters.Events {
			o.see(e.Name)
		}
		if !r.Continues {
			return nil
		}
	}
}

// misbehave does one of the things that clients should not.
func (s *soak) misbehave() error {
	w, err := dial(s.socket)
	if err != nil {
		return err
	}
	defer w.close()
	s.counters.hostile.Add(1)
	const follow = `{"method":"io.podman.events.Subscribe","parameters":{"fromStart":true},"more":true}`
	sent := ""
	switch rand.IntN(7) {
	case 0: // says nothing
	case 1:
		sent = follow[:rand.IntN(len(follow))]
	case 2:
		sent = strings.Repeat("x", 1+rand.IntN(2<<20))
	case 3:
		sent = "\x00\xff\xfe{\x00"
	case 4: // asks for everything and reads nothing
		sent = follow + "\x00"
	case 5:
		sent = strings.Repeat(`{"method":"org.varlink.service.GetInfo"}`+"\x00", 1000)
	case 6:
		sent = `{"method":"io.podman.events.GetEvents","parameters":{"filters":` + strings.Repeat("[", 5000) + "\x00"
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = io.WriteString(w.conn, sent) // which the daemon may refuse
	return nil
}
