package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventsvc/eventsvc/test/imitate"
)

// latency measures the time from the moment that a Podman begins to append an event
// until a subscriber has read it.
func latency(b *bench) error {
	one, err := b.latencies(1)
	if err != nil {
		return err
	}
	const aim50, aim99 = 300 * time.Microsecond, 2 * time.Millisecond
	b.table.atMost("live latency, 1 subscriber: p50, p99", pair(one.p50, one.p99), pair(aim50, aim99), one.p50 <= aim50 && one.p99 <= aim99)
	if b.podman.missing != "" {
		b.table.without("the same, median", ms(one.p50), b.podman.missing, 300)
	} else {
		theirs, err := b.podmanLatency()
		if err != nil {
			return err
		}
		b.table.compare("the same, median", ms(one.p50), "podman events: "+ms(theirs), float64(theirs)/float64(one.p50), 300)
	}
	const many = 100
	const each50, each99 = 800 * time.Microsecond, 3 * time.Millisecond
	all, err := b.latencies(many)
	if err != nil {
		return err
	}
	b.table.atMost(fmt.Sprintf("live latency, each of %d subscribers: p50, p99", many), pair(all.p50, all.p99), pair(each50, each99),
		all.p50 <= each50 && all.p99 <= each99)
	b.table.add(row{work: fmt.Sprintf("the same, until the last of the %d has it", many), ours: pair(all.last50, all.last99)})
	return nil
}

func pair(p50, p99 time.Duration) string { return ms(p50) + ", " + ms(p99) }

// latencies are the medians of the percentiles of all rounds.
type latencies struct {
	p50, p99, last50, last99 time.Duration
	memory                   int // of the daemon with its subscribers, in bytes
}

func (b *bench) latencies(subscribers int) (l latencies, err error) {
	d, err := b.startDaemon("", "--max-connections", fmt.Sprint(max(1000, 2*subscribers)))
	if err != nil {
		return l, err
	}
	defer d.stop()
	c, err := gather(d.socket, subscribers)
	if err != nil {
		return l, err
	}
	defer c.close()
	p := imitate.Podman{Path: d.log}
	var p50, p99, last50, last99 []time.Duration
	for range b.size.rounds {
		var each, last []time.Duration
		for i := range b.size.appends {
			time.Sleep(b.size.pause) // until all sleep again
			line := imitate.Line(fmt.Sprintf("v%d", i), time.Now())
			began := time.Now()
			if err := p.Write(line); err != nil {
				return l, err
			}
			if err := c.await(1, func(at time.Time) { each = append(each, at.Sub(began)) }); err != nil {
				return l, err
			}
			last = append(last, each[len(each)-1])
		}
		slices.Sort(each)
		slices.Sort(last)
		p50, p99 = append(p50, percentile(each, 50)), append(p99, percentile(each, 99))
		last50, last99 = append(last50, percentile(last, 50)), append(last99, percentile(last, 99))
	}
	memory, err := d.memory()
	return latencies{median(p50), median(p99), median(last50), median(last99), memory}, err
}

// podmanLatency returns the median latency of podman events.
func (b *bench) podmanLatency() (time.Duration, error) {
	f, err := b.podman.follow()
	if err != nil {
		return 0, err
	}
	defer f.end()
	var took []time.Duration
	for i := range b.size.polls {
		time.Sleep(time.Duration(i*7%250) * time.Millisecond) // it polls: write at different moments of its period
		began := time.Now()
		if err := appendEvent(b.podman.log); err != nil {
			return 0, err
		}
		at, ok := <-f.seen
		if !ok {
			return 0, errors.New("podman events has exited")
		}
		took = append(took, at.Sub(began))
	}
	return median(took), nil
}

// appendEvent appends an event as a Podman does.
func appendEvent(path string) error {
	p := imitate.Podman{Path: path}
	defer p.Close()
	return p.Write(imitate.Line("v", time.Now()))
}
