package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// growth measures what longer logs and more subscribers cost, and draws the curves.
func growth(b *bench) error {
	byEvents, err := b.growLog()
	if err != nil {
		return err
	}
	bySubscribers, err := b.growCrowd()
	if err != nil || b.pictures == "" {
		return err
	}
	for name, curves := range map[string][]*curve{"growth-events.svg": byEvents, "growth-subscribers.svg": bySubscribers} {
		if err := os.WriteFile(filepath.Join(b.pictures, name), draw(curves), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// growLog measures logs of increasing length.
func (b *bench) growLog() ([]*curve, error) {
	all := &curve{title: "everything, µs an event", along: "events"}
	one := &curve{title: "one container, ms", along: "events"}
	last := &curve{title: "the last events by since, ms", along: "events"}
	first := &curve{title: "first page after the start, ms", along: "events"}
	memory := &curve{title: "memory of the daemon, MB", along: "events"}
	for _, events := range b.size.logs {
		l, err := b.generate(events)
		if err != nil {
			return nil, err
		}
		since, err := newerThan(l.path, min(b.size.tail, events/10))
		if err != nil {
			return nil, err
		}
		started, err := medianOf(b, func() (time.Duration, error) { return b.activate(l, call("GetEvents", params{}, false)) })
		if err != nil {
			return nil, err
		}
		d, err := b.startDaemon(l.path)
		if err != nil {
			return nil, err
		}
		defer d.stop()
		var took [3]time.Duration
		for i, p := range []params{byPrefix(l), {"since": since}, {}} {
			if took[i], err = b.ask(d, p); err != nil {
				return nil, err
			}
		}
		if err := d.settle(); err != nil {
			return nil, err
		}
		bytes, err := d.memory()
		if err != nil {
			return nil, err
		}
		d.stop()
		if events != b.size.events {
			b.dropLog(l)
		}
		perEvent := took[2] / time.Duration(events)
		b.table.add(row{
			work: fmt.Sprintf("%s events (%d MB): everything, an event; one container; the last %s by since", thousands(events), l.Bytes/1e6, thousands(min(b.size.tail, events/10))),
			ours: fmt.Sprintf("%d ns; %s; %s", perEvent.Nanoseconds(), ms(took[0]), ms(took[1])),
		})
		b.table.add(row{work: "the same: first page of a daemon just started; memory at rest", ours: ms(started) + "; " + megabytes(bytes)})
		x := float64(events)
		all.add(x, float64(took[2].Nanoseconds())/x/1000)
		one.add(x, inMS(took[0]))
		last.add(x, inMS(took[1]))
		first.add(x, inMS(started))
		memory.add(x, float64(bytes)/(1<<20))
	}
	return []*curve{all, one, last, first, memory}, nil
}

// growCrowd measures increasing numbers of subscribers.
func (b *bench) growCrowd() ([]*curve, error) {
	each := &curve{title: "until a subscriber has an event (median), ms", along: "subscribers"}
	last := &curve{title: "until the last of them has it (median), ms", along: "subscribers"}
	memory := &curve{title: "memory of the daemon, MB", along: "subscribers"}
	small := *b
	small.size.rounds = 1
	small.size.appends = min(b.size.appends, 100)
	for _, subscribers := range b.size.crowds {
		l, err := small.latencies(subscribers)
		if err != nil {
			return nil, err
		}
		b.table.add(row{
			work: fmt.Sprintf("%s subscribers: until one has an event, until the last has it (medians); memory", thousands(subscribers)),
			ours: fmt.Sprintf("%s, %s; %s", ms(l.p50), ms(l.last50), megabytes(l.memory)),
		})
		x := float64(subscribers)
		each.add(x, inMS(l.p50))
		last.add(x, inMS(l.last50))
		memory.add(x, float64(l.memory)/(1<<20))
	}
	return []*curve{each, last, memory}, nil
}

func inMS(d time.Duration) float64 { return d.Seconds() * 1000 }
