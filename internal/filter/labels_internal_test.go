package filter

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// Many filters on labels are matched in one pass over the labels, with the same result
// as each alone.
func TestFilters_manyLabels(t *testing.T) {
	words := []string{"a", "b", `q"\u00e9`, "d", ""}
	pick := func() string { return words[rand.IntN(len(words))] }
	for range 3000 {
		var texts []string
		var g group
		for range 2 + rand.IntN(6) {
			text := "label" + []string{"", "!"}[rand.IntN(2)] + "=" + words[rand.IntN(4)]
			if rand.IntN(2) == 0 {
				text += "=" + pick()
			}
			texts = append(texts, text)
			c, reason := parseFilter(text)
			if reason != "" {
				t.Fatal(reason)
			}
			if c.negated {
				g.none = append(g.none, c)
			} else {
				g.any = append(g.any, c)
			}
		}
		f, err := Parse(texts)
		if err != nil {
			t.Fatal(err)
		}
		labels := make(map[string]string)
		for range rand.IntN(5) {
			labels[words[rand.IntN(4)]] = pick()
		}
		for _, v := range []View{{Labels: Labels{Map: labels}}, {Labels: Labels{JSON: jsonstring.AppendMap(nil, labels)}}} {
			if got, want := f.Match(&v), g.match(&v); got != want {
				t.Fatalf("%q of %v: %v, each alone %v", texts, labels, got, want)
			}
		}
	}
}

func BenchmarkFilters_manyLabels(b *testing.B) {
	var texts []string
	for i := range 256 {
		texts = append(texts, fmt.Sprintf("label=*%d*", i))
	}
	f, err := Parse(texts)
	if err != nil {
		b.Fatal(err)
	}
	labels := make(map[string]string)
	for i := range 20 {
		labels[fmt.Sprintf("l%d", i)] = "vvvvvvvvvvvvvvvvvvvv"
	}
	v := View{Labels: Labels{JSON: jsonstring.AppendMap(nil, labels)}}
	for b.Loop() {
		f.Match(&v)
	}
}
