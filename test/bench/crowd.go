package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// crowd is many subscribers, read by one thread, so that the cost of the subscribers
// does not hide that of the daemon.
type crowd struct {
	members []*wire
	epoll   int
	buf     []byte
	frames  []int // read by each member
	bytes   int64 // read by all
}

// gather connects and subscribes a number of members.
func gather(socket string, members int) (*crowd, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	c := &crowd{epoll: epoll, buf: make([]byte, 256<<10), frames: make([]int, members)}
	for i := range members {
		w, err := dial(socket)
		if err != nil {
			c.close()
			return nil, err
		}
		c.members = append(c.members, w)
		if err := w.subscribe(params{}); err != nil {
			c.close()
			return nil, err
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, w.fd, &event); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *crowd) close() {
	for _, w := range c.members {
		w.close()
	}
	_ = unix.Close(c.epoll)
}

// await reads until every member has read that many frames. It calls took, if it is
// not nil, at the moment that a member has.
func (c *crowd) await(frames int, took func(at time.Time)) error {
	clear(c.frames)
	var ready [128]unix.EpollEvent
	for left := len(c.members); left > 0; {
		n, err := unix.EpollWait(c.epoll, ready[:], 60_000)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("%d of %d subscribers wait for their events", left, len(c.members))
		}
		for i := range ready[:n] {
			member := ready[i].Fd
			read, err := c.members[member].read(c.buf)
			if err != nil {
				return err
			}
			c.bytes += int64(read)
			c.frames[member] += bytes.Count(c.buf[:read], []byte{0})
			if c.frames[member] > frames {
				return errors.New("a subscriber got more events than were written")
			}
			if c.frames[member] == frames {
				left--
				if took != nil {
					took(time.Now())
				}
			}
		}
	}
	return nil
}
