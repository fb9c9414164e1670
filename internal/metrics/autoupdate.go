package metrics

import (
	"slices"
	"strconv"
	"sync"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// Auto-update is another process, which may run for a second a day: its results are
// counted from its events.
var (
	runsDesc     = describe("autoupdate_runs_total", "Completed runs of auto-update, without dry runs.")
	resultsDesc  = describe("autoupdate_results_total", "Containers by the result of their update, without those that were unchanged.", "result")
	pendingDesc  = describe("autoupdate_pending", "Containers that the last run left with an update pending, held or deferred.")
	durationDesc = describe("autoupdate_duration_seconds", "How long the last run took.")
	requestsDesc = describe("autoupdate_registry_requests_total", "Requests to registries, without those that pulls make.")
)

// attribute is the prefix of the attributes of auto-update's events.
const attribute = "io.podman.autoupdate."

// results are the valid outcomes; any user may have written the event.
var results = []string{"pending", "updated", "rolled-back", "failed", "held", "deferred", other}

var (
	systemCode     = filter.CodeOfType(events.System)
	autoUpdateCode = filter.CodeOfStatus(events.AutoUpdate)
)

// autoUpdates counts the results of auto-update since the service began.
type autoUpdates struct {
	mu       sync.Mutex
	results  map[string]uint64
	runs     uint64
	requests uint64
	pending  uint64
	ms       uint64
}

// count counts new events.
func (a *autoUpdates) count(records []feed.Record) {
	for i := range records {
		f := &records[i].Fields
		if f.Status == autoUpdateCode && (f.Type == containerCode || f.Type == systemCode) {
			e := records[i].Event()
			a.add(&e)
		}
	}
}

func (a *autoUpdates) add(e *events.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if result := e.Attributes[attribute+"result"]; e.Type == events.Container && result != "" {
		if !slices.Contains(results, result) {
			result = other
		}
		a.results[result]++
	}
	if e.Type == events.System && e.Attributes[attribute+"phase"] == "end" {
		number := func(name string) uint64 {
			n, _ := strconv.ParseUint(e.Attributes[attribute+name], 10, 32)
			return n
		}
		a.runs++
		a.requests += number("requests")
		a.pending, a.ms = number("pending"), number("ms")
	}
}

// collect sends the numbers.
func (a *autoUpdates) collect(to sender) {
	a.mu.Lock()
	defer a.mu.Unlock()
	to.count(runsDesc, a.runs)
	to.count(requestsDesc, a.requests)
	for _, word := range results { // also those that did not occur yet, so that Prometheus sees the increase
		to.count(resultsDesc, a.results[word], word)
	}
	to.gauge(pendingDesc, float64(a.pending))
	to.gauge(durationDesc, float64(a.ms)/1000)
}
