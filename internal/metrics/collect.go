package metrics

import "github.com/prometheus/client_golang/prometheus"

const prefix = "eventsvc_"

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

// Numbers that are read from other parts of the service, or from plain fields, when
// metrics are read.
var (
	eventsDesc   = describe("events_total", "New events read from the store.", "type", "status")
	writtenDesc  = describe("events_written_total", "Events written through the service.")
	skippedDesc  = describe("lines_skipped_total", "Lines or entries of the store that are no events.")
	faultDesc    = describe("store_fault", "1 while the store cannot be read or written, else 0.")
	followDesc   = describe("subscribers", "Subscriptions that are open.", "interface")
	denialsDesc  = describe("denials_total", "Calls that were denied.", "action")
	openDesc     = describe("connections", "Varlink connections that are open.")
	admittedDesc = describe("connections_admitted_total", "Varlink connections that were served.")
	refusedDesc  = describe("connections_refused_total", "Varlink connections that were refused at a limit.")
	callsDesc    = describe("dbus_calls_total", "D-Bus calls that were taken in.")
	unservedDesc = describe("dbus_refused_total", "D-Bus calls, subscriptions and streams that were refused at a limit.")
)

// sender sends numbers to Prometheus.
type sender chan<- prometheus.Metric

func (to sender) count(d *prometheus.Desc, n uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (to sender) gauge(d *prometheus.Desc, n float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
}

// isTrue returns 1 for true, else 0.
func isTrue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe sends what Collect collects.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		eventsDesc, writtenDesc, skippedDesc, faultDesc, followDesc, denialsDesc, openDesc, admittedDesc, refusedDesc, callsDesc, unservedDesc,
		exitsDesc, restartsDesc, healthDesc, runsDesc, resultsDesc, pendingDesc, durationDesc, requestsDesc,
	} {
		descriptions <- d
	}
}

// interfaces are shown even if no client uses them.
var interfaces = []string{"varlink", "legacy", "dbus", "dbus-stream", "dbus-broadcast"}

// Collect reads the numbers of every part.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	to := sender(metrics)
	m.mu.Lock()
	read := m.events
	m.mu.Unlock()
	for t := range read {
		for s, n := range read[t] {
			if n > 0 {
				typeWord, statusWord := words(t, s)
				to.count(eventsDesc, n, typeWord, statusWord)
			}
		}
	}
	m.containers.collect(to)
	m.autoUpdates.collect(to)
	if m.sources.Status != nil {
		status := m.sources.Status()
		to.count(writtenDesc, status.Written)
		to.count(skippedDesc, status.Skipped)
		to.gauge(faultDesc, isTrue(status.Fault != ""))
	}
	if m.sources.Subscribers != nil {
		by := m.sources.Subscribers()
		for _, name := range interfaces {
			to.gauge(followDesc, float64(by[name]), name)
		}
	}
	if m.sources.Denials != nil {
		for action, n := range m.sources.Denials() {
			to.count(denialsDesc, n, action)
		}
	}
	if m.sources.Connections != nil {
		open, admitted, refused := m.sources.Connections()
		to.gauge(openDesc, float64(open))
		to.count(admittedDesc, admitted)
		to.count(refusedDesc, refused)
	}
	if m.sources.Calls != nil {
		taken, refused := m.sources.Calls()
		to.count(callsDesc, taken)
		to.count(unservedDesc, refused)
	}
}
