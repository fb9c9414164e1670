package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// series is one line of a panel.
type series struct {
	name, colour string
	value        func(sample) float64
}

// panel is one diagram.
type panel struct {
	title string
	lines []series
}

var panels = []panel{
	{"memory, MB", []series{
		{"resident", "#1f77b4", func(p sample) float64 { return float64(p.rss) / 1024 }},
		{"heap in use", "#ff7f0e", func(p sample) float64 { return float64(p.heap) / 1024 }},
	}},
	{"goroutines", []series{{"goroutines", "#2ca02c", func(p sample) float64 { return float64(p.goroutines) }}}},
	{"descriptors and threads", []series{
		{"descriptors", "#d62728", func(p sample) float64 { return float64(p.descriptors) }},
		{"threads", "#9467bd", func(p sample) float64 { return float64(p.threads) }},
	}},
}

// The sizes of the picture in pixels.
const (
	plotWidth, plotHeight = 900, 170
	plotLeft, plotTop     = 60, 40
	plotGap               = 50
	lineHeight            = 18
)

// plot draws the samples as a picture in SVG, with the text below.
func plot(samples []sample, text []string) []byte {
	var b bytes.Buffer
	height := plotTop + len(panels)*(plotHeight+plotGap) + len(text)*lineHeight + 20
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		plotLeft+plotWidth+30, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	end := 1.0
	if n := len(samples); n > 0 {
		end = samples[n-1].seconds
	}
	y := plotTop
	for _, p := range panels {
		p.draw(&b, samples, end, y)
		y += plotHeight + plotGap
	}
	for _, line := range text {
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", plotLeft, y, html.EscapeString(line))
		y += lineHeight
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p *panel) draw(b *bytes.Buffer, samples []sample, end float64, top int) {
	most := 1.0
	for _, s := range samples {
		for _, l := range p.lines {
			most = math.Max(most, l.value(s))
		}
	}
	step := niceStep(most / 5)
	most = step * math.Ceil(most/step)
	x := func(seconds float64) float64 { return plotLeft + seconds/end*plotWidth }
	y := func(value float64) float64 { return float64(top+plotHeight) - value/most*plotHeight }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotLeft, top-8, p.title)
	for v := 0.0; v <= most+step/2; v += step {
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			plotLeft, y(v), plotLeft+plotWidth, y(v), plotLeft-6, y(v)+4, v)
	}
	minute := niceStep(end / 60 / 6)
	for n := 0; float64(n)*minute <= end/60; n++ {
		m := float64(n) * minute
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%.3g min</text>`+"\n", x(m*60), top+plotHeight+15, m)
	}
	for i, l := range p.lines {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="`, l.colour)
		for _, s := range samples {
			fmt.Fprintf(b, "%.1f,%.1f ", x(s.seconds), y(l.value(s)))
		}
		fmt.Fprintf(b, `"/><text x="%d" y="%d" fill="%s" text-anchor="end">%s</text>`+"\n", plotLeft+plotWidth-100*i, top-8, l.colour, l.name)
	}
}

// niceStep returns the next higher of 1, 2, 5, 10, 20, 50 and so on.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(math.Max(least, 1e-9))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if power*factor >= least {
			return power * factor
		}
	}
	return power * 10
}
