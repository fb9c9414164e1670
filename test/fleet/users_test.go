package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// One collector collects the events of fifty users, half of them in log files and half in
// the journal, each event once, in order and with its user, while logs are rotated,
// users log out and in again and the collector is killed.
func TestCollect_usersOfHost(t *testing.T) {
	u := newUsers(t)
	c := u.collect()
	var files, journals, all []*person
	for i := range 50 {
		p := u.login(i)
		all = append(all, p)
		if i%2 == 1 && buildTags != "" {
			journals = append(journals, p)
		} else {
			files = append(files, p)
		}
	}
	for round := range 6 * scale() {
		for i, p := range files {
			p.write(20)
			if i%3 == round%3 {
				u.await(p)
				p.rotate()
				p.write(5)
			}
		}
		for _, p := range journals {
			p.send(5)
		}
		switch round % 3 {
		case 0:
			c.end(syscall.SIGKILL)
			c.start()
		case 1:
			u.await(all...)
			for i, gone := range files[:4] {
				u.must(os.RemoveAll(gone.runtime()))
				if i%2 == 0 { // else it is there again at once
					c.awaitClosed()
				}
				gone.again()
				gone.write(10)
			}
		}
	}
	u.await(all...)
	total := 0
	for _, p := range all {
		total += p.written
	}
	c.end(syscall.SIGKILL)
	c.start()
	files[0].write(1)
	u.await(all...)
	t.Logf("%d events of %d users; %d kB of memory", total, len(all), c.memory())

	socket := filepath.Join(u.dir, "s")
	serve(t, socket, u.log, "--collected")
	for _, p := range []*person{files[1], all[1]} {
		if n := len(history(t, socket, fmt.Sprintf("uid=%d", p.uid), "type=container")); n != p.written {
			t.Errorf("the service has %d events of user %d, of %d", n, p.uid, p.written)
		}
	}
}

// What a user makes of a log costs that user's events alone.
func TestCollect_hostileUsers(t *testing.T) {
	u := newUsers(t)
	victim, good := u.login(0), u.login(1)
	victim.write(100)
	replaced := func(n int, with func(p *person)) *person {
		p := u.login(n)
		u.must(os.Remove(p.log))
		with(p)
		return p
	}
	link := replaced(2, func(p *person) { u.must(os.Symlink(victim.log, p.log)) })
	dir := replaced(3, func(p *person) {
		u.must(os.RemoveAll(filepath.Dir(p.log)))
		u.must(os.Symlink(filepath.Dir(victim.log), filepath.Dir(p.log)))
	})
	hard := replaced(4, func(p *person) { u.must(os.Link(victim.log, p.log)) })
	fifo := replaced(5, func(p *person) { u.must(unix.Mkfifo(p.log, 0o600)); p.own(p.runtime()) })
	device := replaced(6, func(p *person) {
		u.must(unix.Mknod(p.log, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))))
		p.own(p.runtime())
	})
	garbage := u.login(7)
	u.must(os.Truncate(garbage.log, 10<<30))
	zeros := u.login(8)
	u.must(os.WriteFile(zeros.log, make([]byte, 40<<20), 0))
	conf := u.login(9) // whose containers.conf is a FIFO
	home := filepath.Join(u.dir, "home")
	u.must(os.MkdirAll(filepath.Join(home, ".config", "containers"), 0o700))
	u.must(unix.Mkfifo(filepath.Join(home, ".config", "containers", "containers.conf"), 0o600))
	conf.own(home)
	u.account(conf, home)
	leased := u.login(10)
	leased.write(10)
	lease, err := os.OpenFile(leased.log, os.O_WRONLY, 0)
	u.must(err)
	_, err = unix.FcntlInt(lease.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	u.must(err)
	forger := u.login(11)
	u.must(os.WriteFile(forger.log, []byte(`{"Name":"n0","Status":"start","Time":"2026-11-26T12:00:00Z","Type":"container","Attributes":null,"UID":0,"Host":"h9","Cursor":"x","Place":"file:1.1.1"}`+"\n"), 0))
	forger.written = 1

	c := u.collect()
	for range 5 {
		good.write(100)
		zeros.appendLine()
		u.await(victim, good, forger)
	}
	u.must(lease.Close())
	conf.write(10)
	u.await(victim, good, leased, conf)
	// A log that is rewritten in place, and one that is cut, are reported once each.
	for i, change := range []func(p *person){
		func(p *person) { u.must(os.Truncate(p.log, 0)) },
		func(p *person) { u.must(os.WriteFile(p.log, eventLine(1000, ""), 0)) },
	} {
		p := u.login(20 + i)
		p.write(50)
		u.await(p)
		change(p)
		u.awaitLost(p, 1)
	}
	good.write(100)
	u.await(victim, good)
	all := inLog(t, u.log)
	for _, p := range []*person{link, dir, hard, fifo, device, garbage} {
		if g := all[userKey(uint32(p.uid))]; g != nil {
			t.Errorf("user %d has events in the log: %+v", p.uid, *g)
		}
	}
	if g := all["h9"]; g != nil {
		t.Error("a user has forged the host of an event")
	}
	if kb := c.memory(); kb > 64<<10 {
		t.Errorf("the collector takes %d kB of memory", kb)
	}
}
