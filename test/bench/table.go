package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// table is the table that is printed at the end.
type table struct{ rows []row }

// row is one comparison.
type row struct {
	work, ours, peer, ratio, target string
	met                             verdict
}

type verdict int

const (
	unjudged verdict = iota // there is no target, or the peer is missing
	met
	missed
)

func (v verdict) String() string { return [...]string{"", "yes", "no"}[v] }

func judge(ok bool) verdict {
	if ok {
		return met
	}
	return missed
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

// compare adds a row whose target is a ratio; a higher one is better.
func (t *table) compare(work, ours, peer string, ratio, target float64) {
	t.add(row{work, ours, peer, times(ratio), "≥ " + times(target), judge(ratio >= target)})
}

// without adds a row whose peer is missing.
func (t *table) without(work, ours, missing string, target float64) {
	t.add(row{work, ours, "not measured: " + missing, "", "≥ " + times(target), unjudged})
}

// atMost adds a row whose target is an upper bound.
func (t *table) atMost(work, ours, bound string, ok bool) {
	t.add(row{work: work, ours: ours, target: "≤ " + bound, met: judge(ok)})
}

func times(ratio float64) string {
	switch {
	case ratio >= 20:
		return fmt.Sprintf("%.0f ×", ratio)
	case ratio >= 2:
		return fmt.Sprintf("%.1f ×", ratio)
	}
	return fmt.Sprintf("%.2f ×", ratio)
}

// print writes the table as Markdown, in columns.
func (t *table) print(w io.Writer) {
	lines := [][]string{{"work", "eventsvc", "peer", "ratio", "target", "met"}}
	for _, r := range t.rows {
		lines = append(lines, []string{r.work, r.ours, r.peer, r.ratio, r.target, r.met.String()})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for n, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			b.WriteString("| " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+1))
		}
		fmt.Fprintln(w, b.String()+"|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprint(w, "|", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// median returns the median of runs.
func median[T cmp.Ordered](runs []T) T {
	sorted := slices.Sorted(slices.Values(runs))
	return sorted[len(sorted)/2]
}

// percentile returns a percentile of sorted values.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	i := int(math.Ceil(float64(len(sorted))*percent/100)) - 1
	return sorted[max(0, i)]
}

// medianOf returns the median of size.rounds measurements.
func medianOf[T cmp.Ordered](b *bench, measure func() (T, error)) (T, error) {
	var runs []T
	for range b.size.rounds {
		run, err := measure()
		if err != nil {
			return run, err
		}
		runs = append(runs, run)
	}
	return median(runs), nil
}

// mediansByTurns measures two by turns, so that both run on the same machine: the speed
// of one that is shared changes within seconds.
func mediansByTurns[T cmp.Ordered](rounds int, a, b func() (T, error)) (ofA, ofB T, err error) {
	var as, bs []T
	for range rounds {
		x, err := a()
		if err != nil {
			return ofA, ofB, err
		}
		y, err := b()
		if err != nil {
			return ofA, ofB, err
		}
		as, bs = append(as, x), append(bs, y)
	}
	return median(as), median(bs), nil
}

// three writes a number with three digits, or with all digits before the point if
// there are more.
func three(x float64) string {
	if x >= 999.5 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func ms(d time.Duration) string { return three(d.Seconds()*1000) + " ms" }

func perSecond(n float64) string {
	switch {
	case n >= 999_500:
		return three(n/1e6) + " M/s"
	case n >= 999.5:
		return three(n/1e3) + " k/s"
	}
	return three(n) + " /s"
}
