package varlinkwire

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// A socket that was made wide is as before when it is made narrow again.
func TestWiden_narrowAgain(t *testing.T) {
	ours, theirs := testkit.SocketPair(t)
	defer ours.Close()
	defer theirs.Close()
	c, err := newRig(t).server.newConn(ours, false)
	if err != nil {
		t.Fatal(err)
	}
	size := func() (n int) {
		if err := c.out.raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	usual := size()
	for range 2 {
		for _, wide := range []bool{true, true, false, false} {
			c.widen(wide)
			if n := size(); wide != (n > usual) || !wide && n != usual {
				t.Fatalf("wide %v: the socket holds %d bytes, %d at first", wide, n, usual)
			}
		}
	}
}
