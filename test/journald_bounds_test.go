//go:build systemd

package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sendLong sends an entry that is too long for a datagram, as sd_journal_send(3)
// does: in sealed memory.
func sendLong(t testing.TB, socket string, fields map[string]string) {
	t.Helper()
	fd, err := unix.MemfdCreate("entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for b := encodeEntry(fields); len(b) > 0; {
		n, err := unix.Write(fd, b)
		if err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
		t.Fatal(err)
	}
	sender, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sender)
	if err := unix.Sendmsg(sender, nil, unix.UnixRights(fd), &unix.SockaddrUnix{Name: socket}, 0); err != nil {
		t.Fatal(err)
	}
}

// TestJournalBounds_hugeEntries: entries that are too long are counted and reported, take
// no memory, and do not keep others from being delivered. Podman's longest entries are
// delivered.
func TestJournalBounds_hugeEntries(t *testing.T) {
	r := startRoom(t)
	d := r.startDaemon()
	follower := d.subscribe(everyUser)
	const form = `,"k%07d":"v"`
	long := labels(1_700_000, form) // 24 MB, which journald compresses to 2
	const huge = 8
	for i := range huge {
		sendLong(t, r.socket(), with(podmanEntry(fmt.Sprintf("huge%d", i), time.Now()), "PODMAN_LABELS", long))
	}
	sendLong(t, r.socket(), with(podmanEntry("long message", time.Now()), "MESSAGE", strings.Repeat("m", 40<<20)))
	inspect := `{"State":"` + strings.Repeat("i", 800_000) + `"}`
	sendLong(t, r.socket(), with(podmanEntry("inspected", time.Now()), "PODMAN_CONTAINER_INSPECT_DATA", inspect))
	sendLong(t, r.socket(), with(podmanEntry("many labels", time.Now()), "PODMAN_LABELS", labels(5000, form)))
	sendLong(t, r.socket(), with(podmanEntry("long labels", time.Now()), "PODMAN_LABELS", `{"a":"`+strings.Repeat("x", 300<<10)+`"}`))
	r.send(with(podmanEntry("cut labels", time.Now()), "PODMAN_LABELS", `{"a":"cut o`), with(podmanEntry("end", time.Now()), "PODMAN_LABELS", `{"a":"b"}`))

	want := []string{"inspected", "many labels", "long labels", "cut labels", "end"}
	got, err := follower.collect(func(e *event) bool { return e.Name == "end" })
	if err != nil {
		t.Fatal(err)
	}
	past := d.history(everyUser)
	for name, all := range map[string][]event{"follower": got, "history": past} {
		var list []string
		for i := range all {
			list = append(list, all[i].Name)
			if n := len(all[i].Attributes); n != 0 && all[i].Name != "end" {
				t.Errorf("%s: %s has %d labels", name, all[i].Name, n)
			}
		}
		if strings.Join(list, ",") != strings.Join(want, ",") || all[len(all)-1].Attributes["a"] != "b" {
			t.Errorf("%s: the events are %q, want %q", name, list, want)
		}
	}
	if n := len(d.history(params{"allUsers": true, "filters": []string{"label=a"}})); n != 1 {
		t.Errorf("%d events have the label", n)
	}
	s := d.call("GetStatus", nil).Parameters
	if s.Skipped != huge+1+3 || !strings.Contains(s.LastSkipped, "the labels are left out") {
		t.Errorf("%d entries were counted: %s", s.Skipped, s.LastSkipped)
	}
	if peak := d.status("VmHWM"); peak > 200<<10 {
		t.Errorf("it took %d kB", peak)
	}
	if !strings.Contains(d.said(), "its fields are longer than 1048576 bytes") {
		t.Errorf("the log does not mention long entries:\n%s", d.said())
	}
}
