package metrics

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// The bounds of what is counted by name. Names and images are chosen by the processes
// that run containers: beyond these bounds, new ones count as "other".
const (
	maxNames     = 500
	maxExits     = 4 * maxNames // pairs of a name and an image
	maxDied      = 10000        // names counted as other whose restarts are seen
	maxNameBytes = 128
	other        = "other"
)

var (
	exitsDesc    = describe("exits_total", "Exits of containers, by class of exit code.", "name", "image", "code")
	restartsDesc = describe("restarts_total", "Starts of a container after it had exited.", "name")
	healthDesc   = describe("health", "The last verdict of a container's health check: 1 healthy, 0 unhealthy.", "name")
)

// containers counts events of containers since the service began.
type containers struct {
	mu    sync.Mutex
	names map[string]*container
	exits map[exit]*[classes]uint64
	died  map[string]struct{} // by the container's own name: it ended, and has not started again
}

// container is the counts of one name.
type container struct {
	restarts uint64
	judged   bool // its health is known
	healthy  bool
}

type exit struct{ name, image string }

// The classes of exit codes, as used by shells and Podman.
const classes = 4

var classWords = [classes]string{"0", "1-125", "126-127", "128+"}

func classOf(code int) int {
	switch {
	case code == 0:
		return 0
	case code == 126 || code == 127:
		return 2
	case code >= 128 || code < 0:
		return 3
	}
	return 1
}

var (
	containerCode = filter.CodeOfType(events.Container)
	startCode     = filter.CodeOfStatus(events.Start)
	diedCode      = filter.CodeOfStatus(events.Exited)
	removeCode    = filter.CodeOfStatus(events.Remove)
	healthCode    = filter.CodeOfStatus(events.HealthStatus)
)

// count counts new events. It does not decode those that are not counted.
func (c *containers) count(records []feed.Record) {
	for i := range records {
		f := &records[i].Fields
		if f.Type != containerCode {
			continue
		}
		switch f.Status {
		case startCode, diedCode, removeCode, healthCode:
			e := records[i].Event()
			c.add(&e)
		}
	}
}

func (c *containers) add(e *events.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := cut(e.Name)
	own, this := name, c.names[name]
	if this == nil {
		if e.Status == events.Remove {
			return
		}
		if len(c.names) >= maxNames {
			name = other
			this = c.names[name]
		}
		if this == nil {
			this = new(container)
			c.names[name] = this
		}
	}
	switch e.Status {
	case events.Start:
		// Shown as 0 before its first failure, so that Prometheus sees the increase.
		c.exitOf(name, cut(e.Image))
		if _, died := c.died[own]; died {
			this.restarts++
		}
		delete(c.died, own)
	case events.Exited:
		if name == own || len(c.died) < maxDied {
			c.died[own] = struct{}{}
		}
		code := 0
		if e.ContainerExitCode != nil {
			code = *e.ContainerExitCode
		}
		c.exitOf(name, cut(e.Image))[classOf(code)]++
	case events.Remove:
		this.judged = false
	case events.HealthStatus:
		switch strings.ToLower(e.HealthStatus) {
		case "healthy", "unhealthy":
			this.judged, this.healthy = name != other, strings.EqualFold(e.HealthStatus, "healthy")
		}
	}
}

func (c *containers) exitOf(name, image string) *[classes]uint64 {
	if name == other {
		image = other
	}
	key := exit{name, image}
	if c.exits[key] == nil && len(c.exits) >= maxExits {
		key.image = other
	}
	if c.exits[key] == nil {
		c.exits[key] = new([classes]uint64)
	}
	return c.exits[key]
}

// collect sends the numbers.
func (c *containers) collect(to sender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, by := range c.exits {
		for class, n := range by {
			to.count(exitsDesc, n, key.name, key.image, classWords[class])
		}
	}
	for name, this := range c.names {
		to.count(restartsDesc, this.restarts, name)
		if this.judged {
			to.gauge(healthDesc, isTrue(this.healthy), name)
		}
	}
}

// cut truncates the value of a label.
func cut(text string) string {
	if len(text) <= maxNameBytes {
		return text
	}
	end := maxNameBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "+" + strconv.Itoa(len(text)-end)
}
