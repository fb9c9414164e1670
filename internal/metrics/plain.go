package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Number is one number of a program that is not the service: a counter, whose name ends
// in _total, or a gauge.
type Number struct {
	Name, Help string
	Counter    bool
	Value      float64
}

// plain returns the present numbers of a program.
type plain func() []Number

// NewPlain returns the metrics of a program of this version. numbers returns its
// numbers, always with the same names.
func NewPlain(version string, numbers func() []Number) (*Metrics, error) {
	m := &Metrics{registry: prometheus.NewRegistry()}
	return m, m.registry.Register(inTurn{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(version), plain(numbers),
	})
}

// Describe sends what Collect collects.
func (p plain) Describe(descriptions chan<- *prometheus.Desc) {
	for _, n := range p() {
		descriptions <- describe(n.Name, n.Help)
	}
}

// Collect sends the numbers.
func (p plain) Collect(metrics chan<- prometheus.Metric) {
	for _, n := range p() {
		kind := prometheus.GaugeValue
		if n.Counter {
			kind = prometheus.CounterValue
		}
		metrics <- prometheus.MustNewConstMetric(describe(n.Name, n.Help), kind, n.Value)
	}
}
