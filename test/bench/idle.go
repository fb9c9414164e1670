package main

import (
	"fmt"
	"time"
)

// idle measures what an idle daemon uses.
func idle(b *bench) error {
	l, err := b.generate(b.size.events)
	if err != nil {
		return err
	}
	var whole, each []int
	for range b.size.rounds {
		total, one, err := b.subscriberMemory(l)
		if err != nil {
			return err
		}
		whole, each = append(whole, total), append(each, one)
	}
	const mostWhole, mostEach = 60 << 20, 16 << 10
	many := thousands(b.size.idlers)
	work := fmt.Sprintf("memory with %s events read and %s idle subscribers", thousands(l.Events), many)
	b.table.atMost(work, megabytes(median(whole)), megabytes(mostWhole), median(whole) <= mostWhole)
	b.table.atMost("memory for each idle subscriber", kilobytes(median(each)), kilobytes(mostEach), median(each) <= mostEach)
	if err := b.afterBurst(); err != nil {
		return err
	}
	return b.wakeUps()
}

func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
func kilobytes(n int) string { return fmt.Sprintf("%.1f kB", float64(n)/(1<<10)) }

// subscriberMemory returns the memory of a daemon that has read a log once, with its
// subscribers, and how much each of them added.
func (b *bench) subscriberMemory(l *log) (whole, each int, err error) {
	d, err := b.startDaemon(l.path)
	if err != nil {
		return 0, 0, err
	}
	defer d.stop()
	if n, err := countEvents(d, params{"filters": []string{"status=died"}}); err != nil || n != l.Died {
		return 0, 0, fmt.Errorf("the daemon found %d of %d events: %w", n, l.Died, err)
	}
	if err := d.settle(); err != nil {
		return 0, 0, err
	}
	before, err := d.memory()
	if err != nil {
		return 0, 0, err
	}
	c, err := gather(d.socket, b.size.idlers)
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	whole, err = d.memory()
	return whole, (whole - before) / b.size.idlers, err
}

// afterBurst adds the row of subscribers that have received events.
func (b *bench) afterBurst() error {
	d, err := b.startDaemon("")
	if err != nil {
		return err
	}
	defer d.stop()
	before, err := d.memory()
	if err != nil {
		return err
	}
	c, err := gather(d.socket, b.size.idlers)
	if err != nil {
		return err
	}
	defer c.close()
	for range 10 {
		if err := appendEvent(d.log); err != nil {
			return err
		}
		if err := c.await(1, nil); err != nil {
			return err
		}
	}
	after, err := d.memory()
	if err != nil {
		return err
	}
	b.table.add(row{work: "the same, after 10 events to all of them", ours: kilobytes((after - before) / b.size.idlers)})
	return nil
}

// wakeUps counts how often a thread of the daemon runs while there are no events, and
// the same for one 'podman events' that follows.
func (b *bench) wakeUps() error {
	d, err := b.startDaemon("")
	if err != nil {
		return err
	}
	defer d.stop()
	c, err := gather(d.socket, b.size.idlers)
	if err != nil {
		return err
	}
	defer c.close()
	time.Sleep(b.size.idleTime) // until the work after the start is done
	total := 0
	for range b.size.rounds {
		n, err := b.rests(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		total += n
	}
	span := time.Duration(b.size.rounds) * b.size.idleTime
	r := row{
		work: fmt.Sprintf("wake-ups in %.3g s with %s idle followers", span.Seconds(), thousands(b.size.idlers)),
		ours: fmt.Sprint(total), target: "0", met: judge(total == 0), peer: "not measured: " + b.podman.missing,
	}
	if b.podman.missing == "" {
		theirs, err := b.podmanWakeUps()
		if err != nil {
			return err
		}
		r.peer = fmt.Sprintf("podman events: %d for each follower", theirs*b.size.rounds)
	}
	b.table.add(r)
	return nil
}

// rests returns how often a process wakes up in the idle time.
func (b *bench) rests(pid int) (int, error) {
	before, err := switches(pid)
	if err != nil {
		return 0, err
	}
	time.Sleep(b.size.idleTime)
	after, err := switches(pid)
	return after - before, err
}

func (b *bench) podmanWakeUps() (int, error) {
	f, err := b.podman.follow()
	if err != nil {
		return 0, err
	}
	defer f.end()
	return b.rests(f.pid())
}
