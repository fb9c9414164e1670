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
		ours, frame, err := b.burst(subscribers, events)
		if err != nil {
			return err
		}
		work := fmt.Sprintf("fan-out of a burst of %s events to %s subscribers, frames of %d bytes", thousands(events), thousands(subscribers), frame)
		b.table.add(row{work: work, ours: perSecond(ours), target: "≥ " + perSecond(burst.target), met: judge(ours >= burst.target)})
		theirs, err := b.burstOf("replies", subscribers, b.size.replies/subscribers)
		if err != nil {
			return err
		}
		b.table.compare("the same", perSecond(ours), "a varlink/go Reply each: "+perSecond(theirs), ours/theirs, 10)
		limit, err := b.burstOf("pour", subscribers, events)
		if err != nil {
			return err
		}
		b.table.add(row{work: "the same", ours: perSecond(ours), peer: "ready bytes, 64 KiB a write: " + perSecond(limit), ratio: times(ours / limit)})
	}
	few := b.size.bursts[0].subscribers
	flood, _, err := b.burst(few, b.size.flood)
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

// burst returns the number of deliveries a second, and the length of a frame.
func (b *bench) burst(subscribers, events int) (rate float64, frame int64, err error) {
	d, err := b.startDaemon("")
	if err != nil {
		return 0, 0, err
	}
	defer d.stop()
	lines, err := burstLines(events)
	if err != nil {
		return 0, 0, err
	}
	c, err := gather(d.socket, subscribers)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	log, err := os.OpenFile(d.log, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	once := func() (float64, error) {
		began := time.Now()
		if _, err := log.Write(lines); err != nil {
			return 0, err
		}
		if err := c.await(events, nil); err != nil {
			return 0, err
		}
		return float64(events*subscribers) / time.Since(began).Seconds(), nil
	}
	if _, err := once(); err != nil { // allocates the buffers of the sockets
		return 0, 0, err
	}
	c.bytes = 0
	rate, err = medianOf(b, once)
	return rate, c.bytes / int64(b.size.rounds*events*subscribers), err
}

// burstOf measures the same burst from another service. "replies" is written as usual
// with varlink/go: the handler of each subscriber calls Reply for each event. "pour"
// only writes bytes that are ready, which is the limit of this machine's sockets.
func (b *bench) burstOf(child string, subscribers, events int) (float64, error) {
	dir, err := os.MkdirTemp(b.dir, "r")
	if err != nil {
		return 0, err
	}
	socket := filepath.Join(dir, "s")
	cmd, err := thisProgram(child, socket, strconv.Itoa(events))
	if err != nil {
		return 0, err
	}
	trigger, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	var p process
	if err := p.start(cmd, socket); err != nil {
		return 0, err
	}
	defer p.stop()
	c, err := gather(socket, subscribers)
	if err != nil {
		return 0, err
	}
	defer c.close()
	once := func() (float64, error) {
		began := time.Now()
		if _, err := trigger.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		if err := c.await(events, nil); err != nil {
			return 0, err
		}
		return float64(events*subscribers) / time.Since(began).Seconds(), nil
	}
	if _, err := once(); err != nil {
		return 0, err
	}
	return medianOf(b, once)
}
