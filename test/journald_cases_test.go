//go:build systemd

package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// listed returns what a client gets.
func (d *daemon) listed(q client.Query) []events.Event {
	d.t.Helper()
	c := d.client()
	defer c.Close()
	ctx := d.t.Context()
	h, err := c.History(ctx, q)
	if err != nil {
		d.t.Fatalf("%+v: %v", q, err)
	}
	defer h.Close()
	var all []events.Event
	for e, err := range h.All(ctx) {
		if err != nil {
			d.t.Fatalf("%+v: %v", q, err)
		}
		all = append(all, e)
	}
	return all
}

// send sends entries and returns when journald has stored them.
func (r *room) send(entries ...map[string]string) {
	r.t.Helper()
	for _, e := range entries {
		if err := sendEntry(r.socket(), e); err != nil {
			r.t.Fatal(err)
		}
	}
	r.settle()
}

func with(entry map[string]string, field, value string) map[string]string {
	entry[field] = value
	return entry
}

func names(all []events.Event) []string {
	list := make([]string, len(all))
	for i := range all {
		list[i] = all[i].Name
	}
	return list
}

func TestJournal_entriesOfEveryKind(t *testing.T) {
	r := startRoom(t)
	now := time.Now()
	long := strings.Repeat("x", 100<<10)
	entry := func(name string) map[string]string { return podmanEntry(name, now) }
	r.send(
		entry("plain"),
		map[string]string{"SYSLOG_IDENTIFIER": "podman", "MESSAGE": "no event, only what podman says", "PRIORITY": "3"},
		with(entry("bad time"), "PODMAN_TIME", "yesterday"),
		with(entry("odd labels"), "PODMAN_LABELS", `{"a":"<b>","ü":"\u0000","n":"1\n2"}`),
		with(entry("bad labels"), "PODMAN_LABELS", `{"a":1}`),
		with(entry("no type"), "PODMAN_TYPE", ""),
		with(entry("newer"), "PODMAN_EVENT", "teleport"),
		with(with(entry("code"), "PODMAN_TYPE", "container"), "PODMAN_EXIT_CODE", "0"),
		with(with(entry("odd code"), "PODMAN_TYPE", "container"), "PODMAN_EXIT_CODE", "many"),
		with(entry("long"), "PODMAN_LABELS", `{"long":"`+long+`"}`),
		entry("not \xff text\nin \"one\" line"),
		with(entry("of another program"), "SYSLOG_IDENTIFIER", "docker"),
	)
	d := r.startDaemon()
	all := d.listed(client.Query{})
	want := []string{"plain", "odd labels", "bad labels", "newer", "code", "odd code", "long", "not \ufffd text\nin \"one\" line"}
	if got := names(all); !slices.Equal(got, want) {
		t.Fatalf("the events are %q, sent were %q", got, want)
	}
	if l := all[1].Attributes; l["a"] != "<b>" || l["ü"] != "\ufffd" || l["n"] != "1\n2" {
		t.Errorf("the labels are %q", l)
	}
	if c := all[4].ContainerExitCode; c == nil || *c != 0 {
		t.Errorf("the exit code 0 became %v", c)
	}
	if all[5].ContainerExitCode != nil || all[3].Status != "teleport" || all[6].Attributes["long"] != long || all[2].Attributes != nil {
		t.Errorf("the events are %+v", all[2:6])
	}
	if uid := all[0].UID; uid == nil || *uid != 0 {
		t.Errorf("the user is %v", uid)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Skipped != 3 || !strings.Contains(s.LastSkipped, "journal entry s=") {
		t.Errorf("two entries are invalid and one lacks its labels, but %d were counted: %s", s.Skipped, s.LastSkipped)
	}
	last := d.call("GetLastEvent", params{"filters": []string{"type=container"}})
	if e := last.Parameters.Event; e == nil || e.Name != "odd code" {
		t.Errorf("the last container event is %+v", last)
	}
}

// since= is exact, whatever time an event has.
func TestJournal_sinceIsExact(t *testing.T) {
	r := startRoom(t)
	now := time.Now().Truncate(time.Microsecond)
	random := random(t)
	for i := range 2000 {
		at := now.Add(time.Duration(random.IntN(7200)-3600) * time.Second)
		if i%400 == 7 {
			at = now.Add(time.Duration(random.IntN(2000)-1000) * 24 * time.Hour)
		}
		if err := sendEntry(r.socket(), podmanEntry(fmt.Sprintf("v%d", i), at)); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	d := r.startDaemon()
	for round := range 2 {
		all := d.listed(client.Query{})
		for _, offset := range []time.Duration{-2000 * 24 * time.Hour, -time.Hour, -time.Minute, 0, time.Hour, 300 * 24 * time.Hour, 2000 * 24 * time.Hour} {
			since, until := now.Add(offset), now.Add(offset+30*time.Minute)
			for _, q := range []client.Query{
				{Since: since.Format(time.RFC3339Nano)},
				{Since: since.Format(time.RFC3339Nano), Until: until.Format(time.RFC3339Nano)},
			} {
				var want []string
				for _, e := range all {
					if e.Time.After(since) && (q.Until == "" || e.Time.Before(until)) {
						want = append(want, e.Name)
					}
				}
				if got := names(d.listed(q)); !slices.Equal(got, want) {
					t.Errorf("round %d, %+v: %d events, want %d", round, q, len(got), len(want))
				}
			}
		}
		r.send(podmanEntry("late", now.Add(-time.Second)), podmanEntry("early", now.Add(600*24*time.Hour)))
	}
}

// Filters that are looked up in the journal select the same events.
func TestJournal_filtersLookedUp(t *testing.T) {
	t.Run("of this host", func(t *testing.T) {
		r := newRoom(t)
		importGenerated(t, 30_000, filepath.Join(r.dir, "var", hostMachineID(t)))
		chooseTheSame(t, r.startDaemon(), "")
	})
	t.Run("in a directory", func(t *testing.T) {
		needJournal(t)
		dir := filepath.Join(testkit.ShortDir(t), "journals")
		importGenerated(t, 30_000, dir)
		d := newDaemon(t, "--journal-directory", dir)
		d.journal = true
		d.start()
		chooseTheSame(t, d, "host")
		reply := d.call("WriteEvent", params{"event": map[string]any{"type": "volume", "status": "create", "name": "x"}})
		if !strings.Contains(reply.Parameters.Reason, "--journal-directory") {
			t.Errorf("writing to journals that were collected: %+v", reply)
		}
	})
}

// chooseTheSame compares what the daemon finds with filters with what the filters select
// from all events.
func chooseTheSame(t *testing.T, d *daemon, host string) {
	t.Helper()
	all := d.listed(client.Query{})
	if len(all) != 3000 || all[0].Host != host {
		t.Fatalf("the journal has %d events of 3000: %+v", len(all), all)
	}
	for _, filters := range [][]string{
		{"status=died"},
		{"event=die", "event=stop"},
		{"status!=died"},
		{"type=container", "status=start"},
		{"type=volume"},
		{"container=c17"},
		{"container=c1"},
		{"container=" + fmt.Sprintf("%064x", 17)},
		{"container=000000000000"},
		{"container=" + strings.Repeat("0", 61)},
		{"id=" + fmt.Sprintf("%064x", 17)[:63]},
		{"id=ff"},
		{"name=c99"},
		{"name=c99", "name=c98", "status=create"},
		{"ancestor=localhost/app7:latest"},
		{"label=app=web3"},
		{"label=nothing"},
		{"uid=0"},
		{"uid=1"},
		{"host=host"},
		{"host=other"},
		{"volume=c1"},
		{"status=raw:teleport"},
		{"status=raw:died"},
		{"type=raw:container", "status!=start"},
		{"name=none"},
		{"pod=c1"},
		{"container!=c17", "status=died"},
		{"health=unhealthy"},
		{"health=starting", "health=unhealthy"},
		{"health!=healthy", "status=health_status"},
		{"health=changed"},
		{"exit-code=0"},
		{"exit-code=1"},
		{"exit-code=1", "exit-code=0"},
		{"exit-code!=0", "status=died"},
		{"name=c99*"},
		{"name=*99"},
		{"container=c1?"},
		{"container=c1*", "container=c29"},
		{"+name=c1*", "+name=*7"},
		{"ancestor=*app7:*"},
		{"network=c*"},
		{"network=net1*"},
		{"name=net2?"},
		{"network=net7", "name=c16*"},
		{"ancestor=localhost/app1*"},
		{"ancestor=localhost/app?:latest", "status=died"},
		{"ancestor!=localhost/app1*", "status=died"},
		{"exit-code!=0"},
		{"id=*ff"},
		{"host=h*"},
		{"+label=app=web3", "+label=io.podman.compose.project=p3"},
		{"+container=c17", "name=c*"},
		{"status=rm"},
	} {
		f, err := events.ParseFilters(filters)
		if err != nil {
			t.Fatal(err)
		}
		var want []events.Event
		for i := range all {
			if f.Match(&all[i]) {
				want = append(want, all[i])
			}
		}
		got := d.listed(client.Query{Filters: filters})
		if !slices.Equal(names(got), names(want)) {
			t.Errorf("%q: %d events, want %d", filters, len(got), len(want))
			continue
		}
		for i := range got {
			if got[i].Cursor != want[i].Cursor {
				t.Errorf("%q: the cursor of event %d is %s, without the filters %s", filters, i, got[i].Cursor, want[i].Cursor)
				break
			}
		}
		last := d.call("GetLastEvent", params{"filters": filters}).Parameters.Event
		if len(want) > 0 && (last == nil || last.Cursor != want[len(want)-1].Cursor) {
			t.Errorf("%q: the last event is %+v, want %s", filters, last, want[len(want)-1].Cursor)
		}
	}
	for _, i := range []int{0, 1, 1500, 2998, 2999} {
		if got := d.listed(client.Query{After: all[i].Cursor, Filters: []string{"uid=0"}}); len(got) != 2999-i {
			t.Errorf("after event %d are %d", i, len(got))
		}
	}
}

// TestJournal_statusOldestNewest among what else podman says.
func TestJournal_statusOldestNewest(t *testing.T) {
	r := startRoom(t)
	d := r.startDaemon()
	line := map[string]string{"SYSLOG_IDENTIFIER": "podman", "MESSAGE": "GET /v5.4.2/libpod/info"}
	first, second := time.Now().Add(-time.Hour), time.Now()
	same := func(text string, at time.Time) bool {
		got, err := time.Parse(time.RFC3339Nano, text)
		return text == "" && at.IsZero() || err == nil && got.Equal(at)
	}
	check := func(oldest, newest time.Time) {
		t.Helper()
		for range 2 {
			if s := d.call("GetStatus", nil).Parameters; !same(s.Oldest, oldest) || !same(s.Newest, newest) {
				t.Errorf("from %q to %q, want %v to %v", s.Oldest, s.Newest, oldest, newest)
			}
		}
	}
	r.send(line, line)
	check(time.Time{}, time.Time{})
	r.send(line, podmanEntry("first", first), line)
	check(first, first)
	r.send(line)
	check(first, first)
	r.send(podmanEntry("second", second), line)
	check(first, second)
}

// TestJournal_export reads what a real podman 4.3.1 wrote, as it was exported
// and imported.
func TestJournal_export(t *testing.T) {
	needJournal(t)
	const sample = "testdata/podman-4.3.1-journal.export"
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(testkit.ShortDir(t), "journals")
	importJournal(t, sample, dir)
	// The same entries twice, as if two hosts had sent them: they are delivered once.
	importJournal(t, sample, filepath.Join(dir, "3d1219c7c4c5404aaa1f6d2a48adfda5"))
	d := newDaemon(t, "--journal-directory", dir)
	d.journal = true
	d.start()
	var want, got []string
	for _, line := range strings.Split(string(text), "\n") {
		if stamp, ok := strings.CutPrefix(line, "PODMAN_TIME="); ok {
			want = append(want, stamp)
		}
	}
	all := d.history(nil)
	cursors := make(map[string]bool)
	for _, e := range all {
		at, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, at.Format(time.RFC3339Nano))
		cursors[e.Cursor] = true
	}
	if !slices.Equal(got, want) || len(cursors) != len(want) {
		t.Errorf("%d events with %d cursors, the export has %d", len(got), len(cursors), len(want))
	}
	for i := range all {
		if rest := d.history(params{"after": all[i].Cursor}); len(rest) != len(all)-i-1 || len(rest) > 0 && rest[0].Cursor != all[i+1].Cursor {
			t.Errorf("after event %d are %d events", i, len(rest))
		}
	}
	if !strings.HasSuffix(d.call("GetStatus", nil).Parameters.Path, "journals") {
		t.Error("the path is not that of the journals")
	}
}

// TestJournal_realPodman makes Podman write to the journal, and read what the daemon
// wrote there.
func TestJournal_realPodman(t *testing.T) {
	r := startRoom(t)
	testkit.Need(t, "podman")
	testkit.Need(t, "runc")
	dir := testkit.ShortDir(t)
	command := func(script string, args ...string) *exec.Cmd {
		path, err := filepath.Abs(filepath.Join("peers", script))
		if err != nil {
			t.Fatal(err)
		}
		cmd := r.command(append([]string{path, dir}, args...)...)
		cmd.Env = append(os.Environ(), "EVENTSVC_EVENTS_LOGGER=journald")
		return cmd
	}
	podman := func(script string, args ...string) []byte {
		t.Helper()
		var stderr bytes.Buffer
		cmd := command(script, args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", script, args, err, stderr.String())
		}
		return out
	}
	t.Cleanup(func() { _ = command("podman.sh", "--clean").Run() })
	d := r.startDaemon()
	follower := d.subscribe(nil)
	podman("produce.sh")
	podman("podman.sh", "--settle")
	c := d.client()
	defer c.Close()
	code := 3
	at := time.Now().Add(time.Second)
	id := strings.Repeat("ab", 32)
	for i, e := range []events.Event{
		{Type: events.Container, Status: events.Exited, ID: id, Name: "ours", Image: "img", ContainerExitCode: &code, Details: events.Details{Attributes: map[string]string{"a": "<b> \"c\"", "bad=KEY": "x\ny"}}},
		{Type: events.Container, Status: events.HealthStatus, ID: id, Name: "ours", Image: "img", HealthStatus: "healthy"},
		{Type: events.Image, Status: events.Pull, ID: id, Name: "img"},
		{Type: events.Pod, Status: events.Create, ID: id, Name: "pod"},
		{Type: events.Volume, Status: events.Create, Name: "vol"},
		{Type: events.System, Status: events.Renumber},
		{Type: events.Network, Status: events.NetworkConnect, ID: id, Network: "net"},
	} {
		e.Time = at.Add(time.Duration(i) * time.Millisecond)
		if _, err := c.WriteEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ours := d.listed(client.Query{})
	got, err := follower.collect(func(e *event) bool { return e.Cursor == ours[len(ours)-1].Cursor })
	if err != nil || len(got) != len(ours) {
		t.Errorf("the follower got %d events of %d: %v", len(got), len(ours), err)
	}
	theirs := decode(t, podman("podman.sh", "events", "--stream=false", "--format", "json"))
	if len(ours) < 60 || len(theirs) != len(ours) {
		t.Fatalf("eventsvc has %d events, podman %d", len(ours), len(theirs))
	}
	for i := range ours {
		a, b := &ours[i], &theirs[i]
		same := a.Type == b.Type && a.Status == b.Status && a.Time.Equal(b.Time) && a.ID == b.ID && a.Name == b.Name && a.Image == b.Image && a.Network == b.Network
		if codeOf(a) != codeOf(b) || !same || len(a.Attributes) != len(b.Attributes) {
			t.Errorf("event %d:\neventsvc %+v\npodman   %+v", i, *a, *b)
		}
		for key, value := range a.Attributes {
			if b.Attributes[key] != value {
				t.Errorf("event %d: label %q is %q, podman has %q", i, key, value, b.Attributes[key])
			}
		}
	}
	priorities := strings.Fields(r.run("journalctl", "-q", "-o", "cat", "--output-fields=PRIORITY", "SYSLOG_IDENTIFIER=podman", "_COMM=eventsvc"))
	if want := []string{"6", "5", "6", "6", "6", "6", "6"}; !slices.Equal(priorities, want) {
		t.Errorf("the priorities are %v, want %v", priorities, want)
	}
}

func codeOf(e *events.Event) int {
	if e.ContainerExitCode == nil {
		return 0
	}
	return *e.ContainerExitCode
}

// A journal that does not exist is unavailable.
func TestJournal_notThere(t *testing.T) {
	r := newRoom(t)
	d := r.startDaemon()
	reply := d.call("GetEvents", nil)
	if reply.Error != "io.podman.events.BackendUnavailable" || !strings.Contains(reply.Parameters.Reason, "systemd-journald") {
		t.Errorf("a journal that is not there: %+v", reply)
	}
	if fault := d.call("GetStatus", nil).Parameters.Fault; !strings.Contains(fault, "systemd-journald") {
		t.Errorf("the fault is %q", fault)
	}
	r.start()
	w := d.subscribe(nil)
	r.send(podmanEntry("first", time.Now()))
	if all, err := w.collect(func(e *event) bool { return e.Name == "first" }); err != nil || len(all) != 1 {
		t.Errorf("once it is there: %d events, %v", len(all), err)
	}
	if fault := d.call("GetStatus", nil).Parameters.Fault; fault != "" {
		t.Errorf("once it is there, the fault is %q", fault)
	}
}
