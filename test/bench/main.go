package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// part is a part of the table, whose rows are measured together because they share
// what takes long to prepare.
type part struct {
	name string
	run  func(b *bench) error
}

var parts = []part{
	{"command", commands},
	{"newer", newerCommands},
	{"client", clients},
	{"history", history},
	{"start", start},
	{"latency", latency},
	{"fanout", fanOut},
	{"write", writes},
	{"idle", idle},
	{"growth", growth},
}

// bench is one run of this program.
type bench struct {
	dir      string  // for logs and sockets
	binary   string  // of the daemon
	podman   *podman // that of Debian 12
	newer    *podman // that of Debian 13
	table    table
	pictures string // directory of the pictures; "": none are drawn
	report   string // what was printed
	size     size
	logs     map[int]*log // generated logs, by their number of events
}

// size is how much is done for each row.
type size struct {
	rounds   int // the median of these counts
	events   int // of the log
	podman   int // of the log that Podman reads
	grown    int // of the longer log
	tail     int // events in the last percent of the log
	appends  int // events for each round of latencies
	pause    time.Duration
	polls    int // events for the latency of Podman's follower
	bursts   []burst
	replies  int // deliveries of each burst for its peer, which is slower
	flood    int // events of a burst that is longer than the memory log
	writes   int // events for each round of writing
	idlers   int
	logs     []int // events of the logs of the curves
	crowds   []int // subscribers of the curves
	idleTime time.Duration
}

// burst is a burst of the fan-out.
type burst struct {
	subscribers, events int
	target              float64 // deliveries a second
}

var (
	full = size{
		rounds: 5, events: 1_000_000, podman: 500_000, grown: 10_000_000, tail: 10_000, appends: 1000, pause: time.Millisecond, polls: 41,
		bursts: []burst{{100, 5000, 3e6}, {1000, 1000, 2.5e6}}, replies: 100_000, flood: 30_000, writes: 20_000,
		idlers: 1000, idleTime: 2 * time.Second, logs: []int{10_000, 100_000, 1_000_000, 10_000_000}, crowds: []int{1, 10, 100, 1000, 10_000},
	}
	quick = size{
		rounds: 1, events: 5000, podman: 500, grown: 10_000, tail: 50, appends: 20, pause: time.Millisecond, polls: 3,
		bursts: []burst{{5, 4000, 3e6}, {20, 1000, 2.5e6}}, replies: 1000, flood: 2000, writes: 200,
		idlers: 20, idleTime: 100 * time.Millisecond, logs: []int{1000, 5000}, crowds: []int{1, 20},
	}
)

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], childPrefix) {
		exitWith(runChild(os.Args[1:]))
	}
	isQuick := flag.Bool("quick", false, "do little of everything, which only shows that it works")
	only := flag.String("only", "", "measure only these `PARTS`, separated by commas, of "+partNames())
	binary := flag.String("binary", "", "measure this `DAEMON`, instead of building one from the sources here")
	dir := flag.String("dir", "", "keep logs and sockets below this `DIRECTORY` (default a temporary one)")
	into := flag.String("into", "", "also write the table into these `FILES`, separated by commas, between the lines\n"+tableBegins+" and "+tableEnds)
	pictures := flag.String("pictures", "", "draw the curves of growth as SVG files in this `DIRECTORY`")
	rounds := flag.Int("rounds", 0, "take the median of this `NUMBER` of runs (default 5)")
	flag.Parse()
	b := &bench{size: full, pictures: *pictures, logs: make(map[int]*log)}
	if *isQuick {
		b.size = quick
	}
	if *rounds > 0 {
		b.size.rounds = *rounds
	}
	err := b.run(*dir, *binary, *only)
	if err == nil && *into != "" {
		err = b.putInto(strings.Split(*into, ","))
	}
	exitWith(err)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func partNames() string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(names, ",")
}

// run measures the parts and prints the table, even if one of them failed.
func (b *bench) run(dir, binary, only string) (err error) {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(dir, "evbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.binary = binary; binary == "" {
		b.binary = filepath.Join(b.dir, "eventsvc")
		if err := buildDaemon(b.binary); err != nil {
			return err
		}
	}
	b.podman, b.newer = newPodman(b.dir, "podman.sh"), newPodman(b.dir, "podman5.sh")
	defer b.podman.clean()
	defer b.newer.clean()
	began := time.Now()
	for _, p := range chosen {
		from := time.Now()
		if err = p.run(b); err != nil {
			err = fmt.Errorf("%s: %w", p.name, err)
			break
		}
		fmt.Fprintf(os.Stderr, "bench: %s took %.0f s\n", p.name, time.Since(from).Seconds())
	}
	b.report = b.say(time.Since(began))
	fmt.Print(b.report)
	return err
}

// say returns the machine and the table as text.
func (b *bench) say(took time.Duration) string {
	var out strings.Builder
	fmt.Fprintln(&out, machine(b.podman, b.newer))
	if b.size.events == quick.events {
		fmt.Fprint(&out, "Quick: these figures mean nothing. ")
	}
	fmt.Fprintf(&out, "Medians of %d runs, taken in %.0f s.\n\n", b.size.rounds, took.Seconds())
	b.table.print(&out)
	return out.String()
}

// putInto writes the table between these lines.
const (
	tableBegins = "<!-- make bench -->"
	tableEnds   = "<!-- end of make bench -->"
)

// putInto writes the table into files that have a place for it.
func (b *bench) putInto(paths []string) error {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		before, rest, ok := strings.Cut(string(text), tableBegins+"\n")
		_, after, ended := strings.Cut(rest, tableEnds)
		if !ok || !ended {
			return fmt.Errorf("cannot write the table into %s: it does not have %s, and %s after it", path, tableBegins, tableEnds)
		}
		made := before + tableBegins + "\n" + b.report + tableEnds + after
		if err := os.WriteFile(path, []byte(made), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func choose(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("cannot measure %q: the parts are %s", name, partNames())
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}
