// Package metrics counts what the service does, and serves the numbers to Prometheus.
//
// It promises that counting costs an event next to nothing: numbers that the parts of
// the service have anyway are read when metrics are read, and the others are plain
// fields, incremented once for each event, however many subscribers get it (see
// Emitted). All of this exists only if an option enables it.
//
// It knows the feed, whose Observer it is. The functions in Sources provide the numbers
// of the interfaces and of access; it must not know those packages.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// Sources provide the numbers that other parts count. They are called whenever metrics
// are read; nil: that part does not exist.
type Sources struct {
	// Status returns the state of the store.
	Status func() feed.Status
	// Subscribers returns the number of subscribers by interface.
	Subscribers func() map[string]int
	// Denials returns the number of denials by action.
	Denials func() map[string]uint64
	// Connections returns the number of Varlink connections that are open, and that
	// were admitted and refused since the service began.
	Connections func() (open int, admitted, refused uint64)
	// Calls returns the numbers of D-Bus calls.
	Calls func() (taken, refused uint64)
}

// The buckets of the histograms, in seconds. Writing an event takes some tens of
// microseconds, or as long as the disk; an event is seen within a millisecond, unless
// its writer set its time long before it wrote it.
var (
	writeBuckets = prometheus.ExponentialBuckets(16e-6, 4, 9)
	ageBuckets   = prometheus.ExponentialBuckets(100e-6, 4, 10)
)

// The bounds of the codes of types and statuses.
const maxCodes = 64

// Metrics are the numbers of one service. It is a feed.Observer, and safe for
// concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	sources  Sources

	mu     sync.Mutex
	events [maxCodes][maxCodes]uint64 // by type and status

	containers  containers
	autoUpdates autoUpdates

	catchUps, losses, writeFailures prometheus.Counter
	writes, age                     prometheus.Histogram
}

// New returns the metrics of a service of this version.
func New(version string, s Sources) (*Metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), sources: s,
		containers:  containers{names: make(map[string]*container), exits: make(map[exit]*[classes]uint64), died: make(map[string]struct{})},
		autoUpdates: autoUpdates{results: make(map[string]uint64)},
		catchUps:    counter("catch_ups_total", "Times that a subscriber left the memory log and continued from the store."),
		losses: counter("continuity_losses_total",
			"Times that the log was replaced so that events may have been lost, which every follower gets an error for."),
		writeFailures: counter("write_failures_total", "Calls to write events that failed."),
		writes:        histogram("write_duration_seconds", "Time from a call to write events to their being stored.", writeBuckets),
		age: histogram("event_age_seconds",
			"Age of new events, by their own time, when the service had read them: of the last of those read at once.", ageBuckets),
	}
	if err := m.registry.Register(inTurn{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m, m.catchUps, m.losses, m.writeFailures, m.writes, m.age, buildInfo(version),
	}); err != nil {
		return nil, err
	}
	return m, nil
}

func buildInfo(version string) prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	return build
}

// inTurn are collectors that are called in sequence. A registry calls its collectors in
// as many goroutines as it likes, and go_goroutines then counts up to four that only
// exist for this.
type inTurn []prometheus.Collector

// Describe sends all descriptions.
func (list inTurn) Describe(to chan<- *prometheus.Desc) {
	for _, c := range list {
		c.Describe(to)
	}
}

// Collect sends all numbers.
func (list inTurn) Collect(to chan<- prometheus.Metric) {
	for _, c := range list {
		c.Collect(to)
	}
}

// Emitted counts new events. It takes some nanoseconds for each, and some
// microseconds for a start, an end or a health check of a container.
func (m *Metrics) Emitted(records []feed.Record, lost bool) {
	m.mu.Lock()
	for i := range records {
		f := &records[i].Fields
		m.events[f.Type%maxCodes][f.Status%maxCodes]++
	}
	m.mu.Unlock()
	m.containers.count(records)
	m.autoUpdates.count(records)
	if lost {
		m.losses.Inc()
	}
	if len(records) > 0 {
		m.age.Observe(max(0, time.Since(time.Unix(0, records[len(records)-1].Fields.Time)).Seconds()))
	}
}

// FellBehind counts a subscriber that catches up from the store.
func (m *Metrics) FellBehind() { m.catchUps.Inc() }

// Wrote counts a call to write events.
func (m *Metrics) Wrote(_ int, took time.Duration, err error) {
	if err != nil {
		m.writeFailures.Inc()
		return
	}
	m.writes.Observe(took.Seconds())
}

// words returns the words for codes. Code 0 is every unknown word.
func words(typeCode, statusCode int) (typeWord, statusWord string) {
	typeWord, statusWord = filter.TypeCode(typeCode).Varlink(), filter.StatusCode(statusCode).Varlink()
	if typeCode > 0 {
		typeWord = filter.TypeCode(typeCode).String()
	}
	if statusCode > 0 {
		statusWord = filter.StatusCode(statusCode).String()
	}
	return typeWord, statusWord
}
