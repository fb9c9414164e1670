//go:build systemd

package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// exported returns an entry of an export: a volume event of a boot.
func exported(boot, name string, at, sinceBoot time.Duration) string {
	stamp := time.Unix(0, 0).Add(at).UTC()
	return fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_UID=0\nSYSLOG_IDENTIFIER=podman\nPODMAN_EVENT=create\n"+
		"PODMAN_TYPE=volume\nPODMAN_NAME=%s\nPODMAN_TIME=%s\n\n", at.Microseconds(), sinceBoot.Microseconds(), boot, name, stamp.Format(time.RFC3339Nano))
}

// appears makes a journal file of an export and moves it into the room as a whole, as if
// a file system were mounted.
func (r *room) appears(name string, entries ...string) {
	r.t.Helper()
	dir := testkit.ShortDir(r.t)
	export := filepath.Join(dir, "export")
	if err := os.WriteFile(export, []byte(strings.Join(entries, "")), 0o600); err != nil {
		r.t.Fatal(err)
	}
	importJournal(r.t, export, dir)
	to := filepath.Join(r.dir, "var", hostMachineID(r.t))
	if err := os.MkdirAll(to, 0o755); err != nil {
		r.t.Fatal(err)
	}
	made, err := os.ReadFile(filepath.Join(dir, "system.journal"))
	if err != nil {
		r.t.Fatal(err)
	}
	hidden := filepath.Join(to, "hidden")
	if err := os.WriteFile(hidden, made, 0o640); err != nil { //nolint:gosec // as journald's
		r.t.Fatal(err)
	}
	if err := os.Rename(hidden, filepath.Join(to, name)); err != nil {
		r.t.Fatal(err)
	}
}

func thisBoot(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")
}

// TestJournal_bootWithClockBehind begins with the journal of the previous boot. That of
// the present boot follows, whose clock was at 1970 until it was set.
func TestJournal_bootWithClockBehind(t *testing.T) {
	r := newRoom(t)
	const before = "51a5c3f3eb3847d7827ca5123c5208d5"
	now := time.Duration(time.Now().UnixMicro()) * time.Microsecond
	var old []string
	for i := range 5 {
		old = append(old, exported(before, fmt.Sprintf("old-%d", i), now-time.Hour+time.Duration(i)*time.Second, time.Hour+time.Duration(i)*time.Second))
	}
	r.appears("system@1.journal", old...)
	d := r.startDaemon()
	follower := d.subscribe(params{"fromStart": true})
	last := d.history(nil)[4].Cursor

	var fresh []string
	boot := thisBoot(t)
	for i := range 3 {
		fresh = append(fresh, exported(boot, fmt.Sprintf("behind-%d", i), time.Minute+time.Duration(i)*time.Second, time.Duration(1+i)*time.Second))
	}
	for i := range 3 {
		fresh = append(fresh, exported(boot, fmt.Sprintf("set-%d", i), now-time.Minute+time.Duration(i)*time.Second, time.Duration(10+i)*time.Second))
	}
	r.appears("system@2.journal", fresh...)
	want := []string{"old-0", "old-1", "old-2", "old-3", "old-4", "behind-0", "behind-1", "behind-2", "set-0", "set-1", "set-2"}
	got, err := follower.collect(func(e *event) bool { return e.Name == "set-2" })
	var list []string
	for i := range got {
		list = append(list, got[i].Name)
	}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("the follower got %q, want %q: %v", list, want, err)
	}
	for _, when := range []string{"running", "restarted"} {
		all := d.listed(client.Query{})
		if !slices.Equal(names(all), want) {
			t.Fatalf("%s, the history is %q, want %q", when, names(all), want)
		}
		for i := range all {
			if rest := names(d.listed(client.Query{After: all[i].Cursor})); !slices.Equal(rest, want[i+1:]) {
				t.Errorf("%s, after %s are %q", when, all[i].Name, rest)
			}
		}
		if rest := names(d.listed(client.Query{After: last})); !slices.Equal(rest, want[5:]) {
			t.Errorf("%s, after the last event of the boot before are %q", when, rest)
		}
		if e := d.call("GetLastEvent", nil).Parameters.Event; e == nil || e.Name != "set-2" {
			t.Errorf("%s, the last event is %+v", when, e)
		}
		d.stop()
		d.start()
	}
}

// TestJournal_appearsLate queries events since a time before older journals appear, as
// when /var is mounted late.
func TestJournal_appearsLate(t *testing.T) {
	r := startRoom(t)
	const before = "51a5c3f3eb3847d7827ca5123c5208d5"
	d := r.startDaemon()
	r.send(podmanEntry("new", time.Now()))
	now := time.Duration(time.Now().UnixMicro()) * time.Microsecond
	queries := []client.Query{
		{Since: time.Now().Add(-24 * time.Hour).Format(time.RFC3339)},
		{Filters: []string{"volume=n", "volume=old"}},
	}
	for _, q := range queries {
		if got := names(d.listed(q)); !slices.Equal(got, []string{"new"}) {
			t.Errorf("%+v: %q", q, got)
		}
	}
	r.appears("system@1.journal", exported(before, "old-0", now-2*time.Hour, time.Hour), exported(before, "old-1", now-time.Hour, 2*time.Hour))
	for _, q := range queries {
		if got := names(d.listed(q)); !slices.Equal(got, []string{"old-0", "old-1", "new"}) {
			t.Errorf("%+v, with older journals: %q", q, got)
		}
	}
}
