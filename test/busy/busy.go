// Package busy reports how much of the machine other processes use, for tests of what
// must happen within milliseconds: on a busy machine, such a test says nothing about the
// program.
package busy

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Much is the share of the processors above which other processes use too much of them
// for a test of milliseconds.
const Much = 0.2

// Mark is a point in time.
type Mark struct {
	total, idle, own time.Duration
}

// Now returns the present point in time.
func Now() Mark {
	m := Mark{own: used(syscall.RUSAGE_SELF) + used(syscall.RUSAGE_CHILDREN)}
	m.total, m.idle = processors()
	return m
}

// Others returns the share of all processors, 0 to 1, that was used since then by
// processes other than this one and its children. Children count once they have
// been waited for: those that still run are others. 0 if it is not known.
func (m Mark) Others() float64 {
	now := Now()
	total := now.total - m.total
	if total <= 0 {
		return 0
	}
	others := total - (now.idle - m.idle) - (now.own - m.own)
	return max(0, float64(others)/float64(total))
}

func used(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tick is the unit of /proc/stat (USER_HZ, the same on all architectures).
const tick = 10 * time.Millisecond

// processors returns the time of all processors together, and how much of it they were
// idle (proc(5), /proc/stat: user nice system idle iowait irq
// softirq steal; guest time is in user).
func processors() (total, idle time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	const steal = 8
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || i > steal {
			continue
		}
		total += time.Duration(n) * tick
		if i == 4 || i == 5 {
			idle += time.Duration(n) * tick
		}
	}
	return total, idle
}
