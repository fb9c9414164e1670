package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// fanOut measures a burst of one writer to many subscribers.
func fanOut(b *bench) error {
	for _, burst := range b.size.bursts {
		subscribers, events := burst.subscribers, burst.events
		ours, limit, frame, err := b.burstBesideReady(subscribers, events)
		if err != nil {
			return err
		}
		work := fmt.Sprintf("fan-out of a burst of %s events to %s subscribers, frames of %d bytes", thousands(events), thousands(subscribers), frame)
		b.table.add(row{work: work, ours: perSecond(ours), target: "≥ " + perSecond(burst.target), met: judge(ours >= burst.target)})
		replies, err := b.burstOf("replies", subscribers, b.size.replies/subscribers)
		if err != nil {
			return err
		}
		theirs, err := medianOf(b, replies.once)
		replies.stop()
		if err != nil {
			return err
		}
		b.table.compare("the same", perSecond(ours), "a varlink/go Reply each: "+perSecond(theirs), ours/theirs, 10)
		const target = 0.85
		b.table.add(row{
			work: "the same", ours: perSecond(ours), peer: "ready bytes, 64 KiB a write: " + perSecond(limit), ratio: times(ours / limit),
			target: "≥ 0.85 ×", met: judge(ours/limit >= target),
		})
	}
	few := b.size.bursts[0].subscribers
	large, err := b.burst(few, b.size.flood)
	if err != nil {
		return err
	}
	defer large.stop()
	flood, err := medianOf(b, large.once)
	const target = 3e6
	b.table.add(row{
		work: fmt.Sprintf("fan-out of a burst of %s events to %d subscribers, more than the memory log holds", thousands(b.size.flood), few),
		ours: perSecond(flood), target: "≥ " + perSecond(target), met: judge(flood >= target),
	})
	return err
}

// burstLines returns the lines of container events, for one write.
func burstLines(events int) ([]byte, error) {
	var lines bytes.Buffer
	_, err := imitate.Generate(&lines, events, seed)
	return lines.Bytes(), err
}

// bursts is a service with subscribers, to each of which a burst can be sent.
type bursts struct {
	crowd *crowd
	once  func() (rate float64, err error) // deliveries a second
	stop  func()
}

// newBursts connects the subscribers, and sends a first burst, which allocates the
// buffers of the sockets. send begins a burst.
func newBursts(socket string, subscribers, events int, send func() error, stop func()) (*bursts, error) {
	c, err := gather(socket, subscribers)
	if err != nil {
		stop()
		return nil, err
	}
	r := &bursts{crowd: c, stop: func() { c.close(); stop() }}
	r.once = func() (float64, error) {
		began := time.Now()
		if err := send(); err != nil {
			return 0, err
		}
		if err := c.await(events, nil); err != nil {
			return 0, err
		}
		return float64(events*subscribers) / time.Since(began).Seconds(), nil
	}
	if _, err := r.once(); err != nil {
		r.stop()
		return nil, err
	}
	c.bytes = 0
	return r, nil
}

// burstBesideReady measures bursts by turns with those of ready bytes, and the length of
// a frame.
func (b *bench) burstBesideReady(subscribers, events int) (ours, limit float64, frame int64, err error) {
	own, err := b.burst(subscribers, events)
	if err != nil {
		return 0, 0, 0, err
	}
	defer own.stop()
	ready, err := b.burstOf("pour", subscribers, events)
	if err != nil {
		return 0, 0, 0, err
	}
	defer ready.stop()
	ours, limit, err = mediansByTurns(b.size.rounds, own.once, ready.once)
	return ours, limit, own.crowd.bytes / int64(b.size.rounds*events*subscribers), err
}

// burst returns bursts of events that are written to the log of a daemon.
func (b *bench) burst(subscribers, events int) (*bursts, error) {
	lines, err := burstLines(events)
	if err != nil {
		return nil, err
	}
	d, err := b.startDaemon("")
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(d.log, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		d.stop()
		return nil, err
	}
	write := func() error {
		_, err := log.Write(lines)
		return err
	}
	return newBursts(d.socket, subscribers, events, write, func() { _ = log.Close(); d.stop() })
}

// burstOf measures the same burst from another service. "replies" is written as usual
// with varlink/go: the handler of each subscriber calls Reply for each event. "pour"
// only writes bytes that are ready, which is the limit of this machine's sockets.
func (b *bench) burstOf(child string, subscribers, events int) (*bursts, error) {
	dir, err := os.MkdirTemp(b.dir, "r")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	cmd, err := thisProgram(child, socket, strconv.Itoa(events))
	if err != nil {
		return nil, err
	}
	trigger, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p := new(process)
	if err := p.start(cmd, socket); err != nil {
		return nil, err
	}
	send := func() error {
		_, err := trigger.Write([]byte{'\n'})
		return err
	}
	return newBursts(socket, subscribers, events, send, p.stop)
}
