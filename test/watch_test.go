package test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// endName is the name of the event that ends a run.
const endName = "end"

func isEnd(e *event) bool { return e.Name == endName }

// writeThrough writes a number of events over a connection of its own.
func (m *model) writeThrough(d *daemon, writer string, count int) {
	w, err := dial(d.socket)
	if err != nil {
		m.t.Error(err)
		return
	}
	defer w.close()
	for i := range count {
		name := fmt.Sprintf("%s-%d", writer, i)
		cursor, err := w.write(name)
		if err != nil {
			m.t.Errorf("%s: %v", name, err)
			return
		}
		m.stored(name, cursor)
	}
}

func (m *model) end(d *daemon) {
	m.t.Helper()
	w, err := dial(d.socket)
	if err != nil {
		m.t.Fatal(err)
	}
	defer w.close()
	cursor, err := w.write(endName)
	if err != nil {
		m.t.Fatal(err)
	}
	m.stored(endName, cursor)
}

// Eight followers get what four writers write.
func TestWatch_eightFollowersFourWriters(t *testing.T) {
	eightFollowers(t, startDaemon(t), counts(500, 10000))
}

func eightFollowers(t *testing.T, d *daemon, each int) {
	t.Helper()
	m := newModel(t)
	var followers, writers sync.WaitGroup
	got := make([]watched, 8)
	for i := range got {
		got[i].who = fmt.Sprintf("follower %d", i)
		w := d.subscribe(params{"fromStart": i%2 == 0})
		followers.Go(func() {
			var err error
			if got[i].events, err = w.collect(isEnd); err != nil {
				t.Errorf("%s: %v", got[i].who, err)
			}
		})
	}
	began := time.Now()
	for i := range 4 {
		writers.Go(func() { m.writeThrough(d, fmt.Sprintf("w%d", i), each) })
	}
	writers.Wait()
	took := time.Since(began)
	m.end(d)
	followers.Wait()
	log := d.history(nil)
	m.checkLog(log)
	for i := range got {
		m.checkAll(&got[i], log)
	}
	t.Logf("%d events, %d followers, %.0f events/s written", len(log), len(got), float64(4*each)/took.Seconds())
}

// Subscribers that come and go miss nothing.
func TestWatch_subscribersComeAndGo(t *testing.T) {
	comeAndGo(t, startDaemon(t), counts(300, 10000))
}

func comeAndGo(t *testing.T, d *daemon, total int) {
	t.Helper()
	m, r := newModel(t), random(t)
	const visitors = 8
	stop := make(chan struct{})
	var writer, all sync.WaitGroup
	writer.Go(func() {
		w, err := dial(d.socket)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.close()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("w-%d", i)
			cursor, err := w.write(name)
			if err != nil {
				t.Error(err)
				return
			}
			m.stored(name, cursor)
		}
	})
	var mu sync.Mutex
	events := 0
	for v := range visitors {
		seed := r.Uint64()
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(v)))
			n, err := m.visit(d, r, total/visitors)
			if err != nil {
				t.Errorf("visitor %d: %v", v, err)
			}
			mu.Lock()
			defer mu.Unlock()
			events += n
		})
	}
	all.Wait()
	close(stop)
	writer.Wait()
	m.checkLog(d.history(nil))
	t.Logf("%d subscriptions, %d events delivered, %d written", total, events, len(m.acked))
}

// visit subscribes again and again, each time after the last event it got, reads a few
// events and leaves, and checks that the events follow each other.
func (m *model) visit(d *daemon, r *rand.Rand, times int) (int, error) {
	cursor, next, events := "", -1, 0
	for range times {
		w, err := dial(d.socket)
		if err != nil {
			return events, err
		}
		p := params{}
		if cursor != "" {
			p["after"] = cursor
		}
		if err := w.send("Subscribe", p, true); err != nil {
			return events, err
		}
		_ = w.conn.SetReadDeadline(time.Now().Add(time.Minute))
		for n := 1 + r.IntN(8); n > 0; {
			reply, err := w.recv()
			if err != nil || reply.Error != "" {
				return events, fmt.Errorf("after %d: %w %+v", next, err, reply)
			}
			cursor = reply.Parameters.Cursor
			e := reply.Parameters.Event
			if e == nil {
				continue
			}
			n--
			events++
			var number int
			if _, err := fmt.Sscanf(e.Name, "w-%d", &number); err != nil || next >= 0 && number != next {
				return events, fmt.Errorf("%s where %d was due", e.Name, next)
			}
			next = number + 1
		}
		w.close()
	}
	return events, nil
}

// A stalled subscriber delays no other client.
func TestWatch_stalledSubscriber(t *testing.T) {
	stalled(t, startDaemon(t), counts(1000, 20000))
}

func stalled(t *testing.T, d *daemon, count int) {
	t.Helper()
	m := newModel(t)
	w, err := dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	run := func(writer string) (median, p99 time.Duration) {
		took := make([]time.Duration, count)
		for i := range took {
			name := fmt.Sprintf("%s-%d", writer, i)
			began := time.Now()
			cursor, err := w.write(name)
			if err != nil {
				t.Fatal(err)
			}
			took[i] = time.Since(began)
			m.stored(name, cursor)
		}
		slices.Sort(took)
		return took[count/2], took[count*99/100]
	}
	run("warm")
	aloneMedian, aloneP99 := run("alone")
	aloneMemory := d.memory()
	stalled := d.subscribe(params{"fromStart": true}) // and reads no further
	stalledMedian, stalledP99 := run("stalled")
	t.Logf("a write takes %v (p99 %v) alone, %v (p99 %v) with a stalled subscriber; memory %d kB, then %d kB",
		aloneMedian, aloneP99, stalledMedian, stalledP99, aloneMemory, d.memory())
	const bound = 200_000 // kB, several times what it takes
	if kB := d.memory(); kB > bound {
		t.Errorf("the daemon takes %d kB", kB)
	}
	m.end(d)
	got := watched{who: "the stalled subscriber"}
	if got.events, err = stalled.collect(isEnd); err != nil {
		t.Fatal(err)
	}
	log := d.history(nil)
	m.checkLog(log)
	m.checkAll(&got, log)
}

func TestWatch_idleSubscribers(t *testing.T) {
	d := startDaemon(t)
	count := counts(200, 1000)
	// The socket exists before the service follows the log; its first reply comes after that.
	d.call("GetStatus", nil)
	before := d.memory()
	descriptors := d.descriptors()
	var idle []*wire
	for range count {
		idle = append(idle, d.subscribe(nil))
	}
	during := d.memory()
	for _, w := range idle {
		w.close()
	}
	d.awaitNoSubscribers()
	deadline := time.Now().Add(20 * time.Second)
	for d.descriptors() > descriptors {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors before, %d after all have gone", descriptors, d.descriptors())
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	t.Logf("%d idle subscribers: %d kB before, %d kB with them: %.1f kB each", count, before, during, float64(during-before)/float64(count))
}

// A torn line is never delivered, whatever byte it is torn at.
func TestWatch_tornLine(t *testing.T) {
	d := startDaemon(t)
	w := d.subscribe(nil)
	line := `{"Name":"torn","Status":"create","Time":"2026-11-23T12:00:00.5Z","Type":"volume","Attributes":{"a":"\u003cb"}}` + "\n"
	step := max(1, len(line)/counts(30, len(line)))
	n := 0
	next := func(want string) {
		t.Helper()
		_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		r, err := w.recv()
		for err == nil && r.Parameters.Event == nil && r.Error == "" {
			r, err = w.recv()
		}
		if err != nil || r.Parameters.Event == nil || r.Parameters.Event.Name != want {
			t.Fatalf("%s was due: %+v, %v", want, r, err)
		}
	}
	for at := 1; at < len(line); at += step {
		n++
		name := fmt.Sprintf("whole-%d", n)
		whole := strings.Replace(line, `"torn"`, fmt.Sprintf("%q", name), 1)
		cut := min(at, len(whole)-1)
		appendTo(t, d.log, whole[:cut])
		d.call("GetStatus", nil) // it has looked
		appendTo(t, d.log, whole[cut:])
		next(name)

		// The writer dies, and another writer's line is appended to the fragment.
		appendTo(t, d.log, line[:at])
		name = fmt.Sprintf("glued-%d", n)
		appendTo(t, d.log, strings.Replace(line, `"torn"`, fmt.Sprintf("%q", name), 1))
		next(name)

		// The writer dies, and the daemon writes.
		appendTo(t, d.log, line[:at])
		name = fmt.Sprintf("own-%d", n)
		c, err := dial(d.socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.write(name); err != nil {
			t.Fatal(err)
		}
		c.close()
		if at == len(line)-1 {
			next("torn")
		}
		next(name)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Skipped == 0 || s.LastSkipped == "" {
		t.Errorf("no fragment was counted: %+v", s)
	}
}
