package imitate

import (
	"bufio"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Log describes a log that Generate wrote.
type Log struct {
	Events int
	Bytes  int64
	// Died is how many events have the status died, about one in sixteen.
	Died int
	// Container is the ID of one container in the middle of the log, which has
	// about sixteen of its events.
	Container string
	// LastPercent is a time that about one event in a hundred is newer than.
	LastPercent time.Time
}

// concurrent is how many containers are alive at a time.
const concurrent = 64

// Generate writes a log as Podman 5 leaves it on a busy host, about 300
// bytes for each event: containers of a few projects that are pulled, created,
// looked after and removed, many at a time, each event stamped a little before
// it is written, and pulls stamped well before. The same seed makes the same
// log, and a longer log begins with the shorter.
func Generate(w io.Writer, events int, seed uint64) (Log, error) {
	g := generator{
		out: bufio.NewWriterSize(w, 1<<20), r: rand.New(rand.NewPCG(seed, seed)),
		now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), log: Log{Events: events},
	}
	var alive [concurrent]container
	for n := range events {
		c := &alive[g.r.IntN(len(alive))]
		if len(c.todo) == 0 {
			g.begin(c)
		}
		if n == events/2 {
			g.log.Container = c.id
		}
		if n == events-events/100 {
			g.log.LastPercent = g.now
		}
		g.step(c)
	}
	return g.log, g.out.Flush()
}

// generator is the state of one Generate.
type generator struct {
	out  *bufio.Writer
	r    *rand.Rand
	now  time.Time
	log  Log
	born int
	line []byte
}

// container is a container that exists, and what will happen to it.
type container struct {
	id, name, image, imageID, network, labels string
	created                                   time.Time
	todo                                      []string
}

func (g *generator) hex64() string {
	var b [32]byte
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return hex.EncodeToString(b[:])
}

// begin replaces a container that was removed by a new one.
func (g *generator) begin(c *container) {
	g.born++
	project, service := "shop"+strconv.Itoa(g.r.IntN(12)), []string{"web", "db", "cache", "worker"}[g.r.IntN(4)]
	*c = container{
		id: g.hex64(), imageID: g.hex64(), network: project + "_default",
		name:   project + "_" + service + "_" + strconv.Itoa(g.born),
		image:  "images.example.org/" + project + "/" + service + ":1." + strconv.Itoa(g.r.IntN(40)),
		labels: `{"maintainer":"Shop \u003cops@example.org\u003e","project":"` + project + `","service":"` + service + `"}`,
	}
	c.todo = append(c.todo, "create", "pull", "connect", "init", "start")
	for range 2 + g.r.IntN(3) {
		c.todo = append(c.todo, "exec", "exec_died")
	}
	for range 1 + g.r.IntN(3) {
		c.todo = append(c.todo, "health_status")
	}
	c.todo = append(c.todo, "died", "disconnect", "remove")
}

// step writes what happens next to a container.
func (g *generator) step(c *container) {
	status := c.todo[0]
	c.todo = c.todo[1:]
	g.now = g.now.Add(time.Duration(g.r.IntN(5_000_000_000)))
	at := g.now.Add(-time.Duration(g.r.IntN(20_000_000))) // it waited for the lock, or was overtaken
	b := g.line[:0]
	switch status {
	case "create":
		c.created = at
	case "pull":
		b = append(b, `{"ID":"`...)
		b = append(append(append(b, c.imageID...), `","Name":"`...), c.image...)
		g.write(b, status, c.created.Add(-time.Duration(g.r.IntN(1_000_000_000))), "image", "null")
		return
	case "connect", "disconnect":
		b = append(b, `{"ID":"`...)
		b = append(append(append(b, c.id...), `","Name":"`...), c.name...)
		b = append(append(b, `","network":"`...), c.network...)
		g.write(b, status, at, "network", `{"driver":"bridge"}`)
		return
	case "exec_died":
		b = append(b, `{"ContainerExitCode":0,"ID":"`...)
	case "died":
		g.log.Died++
		b = append(b, `{"ContainerExitCode":`...)
		b = strconv.AppendInt(b, int64(g.r.IntN(3)), 10)
		b = append(b, `,"ID":"`...)
	}
	if len(b) == 0 {
		b = append(b, `{"ID":"`...)
	}
	b = append(append(append(b, c.id...), `","Image":"`...), c.image...)
	b = append(append(b, `","Name":"`...), c.name...)
	g.write(b, status, at, "container", c.labels)
}

// write completes a line whose last string is still open, and writes it.
func (g *generator) write(b []byte, status string, at time.Time, kind, attributes string) {
	b = append(append(b, `","Status":"`...), status...)
	b = append(b, `","Time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(append(b, `","Type":"`...), kind...)
	b = append(b, '"')
	if status == "health_status" {
		b = append(b, `,"health_status":"healthy"`...)
	}
	b = append(append(b, `,"Attributes":`...), attributes...)
	b = append(b, "}\n"...)
	g.line = b
	g.log.Bytes += int64(len(b))
	_, _ = g.out.Write(b) // Flush returns the error
}
