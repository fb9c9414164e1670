package dbus

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/test/buspolicy"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func TestSubscribe_historyAndNewEvents(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 500)...)
	c := r.client()
	signals := hear(c)
	reply := ask(t, c, "Subscribe", "mine", []string{"type=container"}, dict{"from_start": v(true)})
	path := reply[0].(godbus.ObjectPath)
	if path != "/io/podman/Events1/subscription/mine" {
		t.Errorf("subscription is at %s", path)
	}
	r.write(eventRange(500, 1000)...)
	cursors := make(map[string]bool)
	for n := range 1000 {
		s := next(t, signals)
		details := s.Body[5].(dict)
		if s.Path != path || s.Body[3] != fmt.Sprintf("c%d", n) || details["sequence"].Value() != uint64(n+1) {
			t.Fatalf("signal %d is %v", n, s)
		}
		cursors[details["cursor"].Value().(string)] = true
	}
	if len(cursors) != 1000 {
		t.Errorf("there are %d different cursors", len(cursors))
	}
}

func TestSubscribe_severalOfAPeer(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "odd", []string{"name=c1", "name=c3"}, dict{})
	ask(t, c, "Subscribe", "even", []string{"name=c2"}, dict{})
	other := r.client()
	strange := hear(other)
	r.write(eventRange(0, 5)...)
	var got []string
	for range 3 {
		s := next(t, signals)
		got = append(got, fmt.Sprint(s.Path, s.Body[3], s.Body[5].(dict)["sequence"].Value()))
	}
	slices.Sort(got)
	want := []string{subscriptionPath + "/even c2 1", subscriptionPath + "/odd c1 1", subscriptionPath + "/odd c3 2"}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
		got[i] = strings.ReplaceAll(got[i], " ", "")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	ask(t, other, "GetEvents", []string{}, dict{})
	if len(strange) > 1 { // NameAcquired
		t.Errorf("a stranger heard %d signals", len(strange))
	}
	if children := introspectChildren(t, c, subscriptionPath); !slices.Equal(children, []string{"even", "odd"}) {
		t.Errorf("the subscriptions are %v", children)
	}
	if children := introspectChildren(t, other, subscriptionPath); len(children) != 0 {
		t.Errorf("a stranger sees the subscriptions %v", children)
	}
}

func TestSubscribe_afterACursor(t *testing.T) {
	r := newRig(t, nil)
	cursors := r.write(eventRange(0, 10)...)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "t", []string{}, dict{"after": v(cursors[6])})
	r.write(event(10))
	for n := 7; n <= 10; n++ {
		if s := next(t, signals); s.Body[3] != fmt.Sprintf("c%d", n) {
			t.Fatalf("got %v, want c%d", s.Body, n)
		}
	}
}

func TestUnsubscribe_noSignalAfterTheReply(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 5000)...)
	c := connectRaw(t, r.daemon.Path)
	unsubscribe := func() uint32 {
		return c.call("Unsubscribe", "o", func(e *dbuswire.Encoder) { e.Text(subscriptionPath + "/s") })
	}
	// until reads up to an answer, and returns it and the signals in front.
	until := func(serial uint32) (h dbuswire.Header, signals int) {
		for h.ReplySerial != serial {
			switch h, _ = c.read(); {
			case h.Kind == godbus.TypeMethodCall:
				c.answerPing(h)
			case h.Kind == godbus.TypeSignal && h.Member == "Event":
				signals++
			}
		}
		return h, signals
	}
	heard := 0
	for range 30 {
		until(c.subscribeAll())
		h, signals := until(unsubscribe())
		if h.Kind != godbus.TypeMethodReply {
			t.Fatalf("Unsubscribe: %v", h)
		}
		heard += signals
		if h, signals := until(unsubscribe()); signals > 0 || h.ErrorName != dbuswire.ErrUnknownObject {
			t.Fatalf("%d signals come after Unsubscribe; the second time it says %q", signals, h.ErrorName)
		}
	}
	if heard == 0 {
		t.Error("no signals came at all")
	}
	r.idle()
}

func TestSubscribe_end(t *testing.T) {
	r := newRig(t, nil)
	cursors := r.write(eventRange(0, 3)...)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "bounded", []string{}, dict{"until": v("2026-11-23T12:00:02Z")})
	for range 2 {
		next(t, signals)
	}
	end := next(t, signals)
	if end.Name != eventsInterface+".Ended" || end.Body[0] != "" || end.Body[2] == "" {
		t.Errorf("until has passed: %v", end)
	}
	ask(t, c, "Subscribe", "open", []string{}, dict{"after": v(cursors[2])})
	r.stop()
	end = next(t, signals)
	if end.Name != eventsInterface+".Ended" || end.Body[0] != errorPrefix+"ShuttingDown" || end.Path != subscriptionPath+"/open" {
		t.Errorf("the service stops: %v", end)
	}
	if cursor, _ := end.Body[2].(string); !strings.HasPrefix(cursor, cursors[2]) {
		t.Errorf("the subscription was at %q, the last event is at %q", cursor, cursors[2])
	}
}

func TestSubscribe_peerThatDoesNotRead(t *testing.T) {
	var d *testkit.Bus
	if os.Getenv(otherBus) == "" {
		// This bus drops what it cannot hold: much less than what is sent here.
		d = startDaemon(t, buspolicy.Session+`<limit name="max_outgoing_bytes">1500000</limit>`)
	}
	r := newRig(t, d)
	const count = 30_000
	r.write(eventRange(0, count)...)
	stalled := connectRaw(t, r.daemon.Path)
	stalled.subscribeAll()
	c := r.client()
	signals := hear(c)
	began := time.Now()
	ask(t, c, "Subscribe", "t", []string{}, dict{"from_start": v(true)})
	for n := range count {
		if s := next(t, signals); s.Body[5].(dict)["sequence"].Value() != uint64(n+1) {
			t.Fatalf("signal %d is %v", n, s)
		}
	}
	t.Logf("%d signals in %v beside a subscriber that does not read", count, time.Since(began))
	if r.server.core.Used(&subscriptionQuota) != 2 {
		t.Error("the stalled subscription is gone")
	}
	// It reads on, and has missed nothing.
	for sequence := uint64(0); sequence < count; {
		h, body := stalled.read()
		switch {
		case h.Kind == godbus.TypeMethodCall:
			stalled.answerPing(h)
		case h.Kind == godbus.TypeSignal && h.Member == "Event":
			sequence++
			if got := binary.LittleEndian.Uint64(body[len(body)-8:]); got != sequence {
				t.Fatalf("signal %d has the number %d", sequence, got)
			}
		}
	}
}

func TestSubscribe_cursorOfTheLastSignal(t *testing.T) {
	for _, ending := range []string{"nothing is read", "the service stops"} {
		t.Run(ending, func(t *testing.T) {
			want, patience := errorPrefix+"ShuttingDown", time.Minute
			if ending == "nothing is read" {
				want, patience = dbuswire.ErrLimitsExceeded, 100*time.Millisecond
			}
			r := newRig(t, nil, func(o *Options) { o.WriteTimeout = patience })
			cursors := r.write(eventRange(0, 10_000)...)
			c := connectRaw(t, r.daemon.Path)
			c.subscribeAll()
			eventually(t, "it waits for the subscriber", func() bool {
				c := r.feed.Subscribers()
				return c == 0 && want == dbuswire.ErrLimitsExceeded || c == 1 && want != dbuswire.ErrLimitsExceeded
			})
			sequence := 0
			for sequence == 0 { // it has begun
				if h, _ := c.read(); h.Kind == godbus.TypeSignal && h.Member == "Event" {
					sequence++
				}
			}
			if want != dbuswire.ErrLimitsExceeded {
				r.stop()
			}
			for {
				h, body := c.read()
				if h.Kind != godbus.TypeSignal || h.Interface != eventsInterface {
					continue
				}
				if h.Member == "Event" {
					sequence++
					continue
				}
				d := dbuswire.NewDecoder(body)
				name, _, cursor := d.Text(), d.Text(), d.Text()
				if name != want || sequence == 0 || sequence == len(cursors) || cursor != cursors[sequence-1] {
					t.Errorf("after %d signals: %s at %s", sequence, name, cursor)
				}
				return
			}
		})
	}
}

// losesTrack replaces the log by another whose continuity cannot be proved, as
// after a rotation that was not seen.
func (r *rig) losesTrack() {
	r.t.Helper()
	if err := os.Truncate(r.log, 0); err != nil {
		r.t.Fatal(err)
	}
	r.write(event(100))
}

func TestSubscribe_placeLost(t *testing.T) {
	r := newRig(t, nil)
	cursors := r.write(eventRange(0, 3)...)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "live", []string{}, dict{})
	ask(t, c, "Subscribe", "past", []string{}, dict{"after": v(cursors[1])})
	if got := next(t, signals); got.Path != subscriptionPath+"/past" || got.Body[3] != "c2" {
		t.Fatalf("the past: %v", got)
	}
	_, in := openStream(t, c, nil, dict{})
	nextLine(t, in)
	r.losesTrack()
	ended := make(map[godbus.ObjectPath]bool)
	for range 2 {
		end := next(t, signals)
		if end.Name != eventsInterface+".Ended" || end.Body[0] != errorPrefix+"CursorExpired" || end.Body[1] == "" {
			t.Fatalf("the place is lost: %v", end)
		}
		if at, _ := end.Body[2].(string); at == "" {
			t.Error("it is not said where the subscription was")
		}
		ended[end.Path] = true
	}
	if len(ended) != 2 {
		t.Errorf("of the two ended %v", ended)
	}
	l := nextLine(t, in)
	if l.Error != "io.podman.events.CursorExpired" || l.Parameters["oldest"] == "" || !atEnd(in) {
		t.Errorf("the last line of the stream: %+v", l)
	}
	// A subscriber can continue from the cursor reported as the oldest.
	ask(t, c, "Subscribe", "again", []string{}, dict{"after": v(l.Parameters["oldest"])})
	if got := next(t, signals); got.Body[3] != "c100" {
		t.Errorf("after the oldest: %v", got)
	}
	_, in = openStream(t, c, nil, dict{"after": v(l.Parameters["oldest"])})
	if nextLine(t, in); nextLine(t, in).Event["name"] != "c100" {
		t.Error("the stream does not go on after the oldest")
	}
	// A cursor whose place is gone from the beginning is refused.
	for _, method := range []string{"Subscribe", "OpenStream", "GetEvents"} {
		args := []any{[]string{}, dict{"after": v(cursors[1])}}
		if method == "Subscribe" {
			args = append([]any{"gone"}, args...)
		}
		if err := c.Object(eventsInterface, eventsPath).Call(eventsInterface+"."+method, 0, args...).Err; nameOf(err) != errorPrefix+"CursorExpired" {
			t.Errorf("%s: %v", method, err)
		}
	}
}
