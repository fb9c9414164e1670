package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// curve shows how something grows, on two logarithmic scales.
type curve struct {
	title, along string
	x, y         []float64
}

func (c *curve) add(x, y float64) { c.x, c.y = append(c.x, x), append(c.y, y) }

// The sizes of a picture in pixels. Curves are drawn in two columns.
const (
	curveWidth, curveHeight = 400, 190
	curveLeft, curveTop     = 52, 34
	curveRight, curveBottom = 30, 38
)

// draw draws curves as SVG, in colours that are readable on light and dark backgrounds.
func draw(curves []*curve) []byte {
	var b bytes.Buffer
	rows := (len(curves) + 1) / 2
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", 2*curveWidth, rows*curveHeight)
	b.WriteString("<style>text{fill:#24292f}line{stroke:#d0d7de}.c{stroke:#0969da;fill:none;stroke-width:2}circle{fill:#0969da}" +
		"@media(prefers-color-scheme:dark){text{fill:#e6edf3}line{stroke:#3d444d}.c{stroke:#58a6ff}circle{fill:#58a6ff}}</style>\n")
	for i, c := range curves {
		c.draw(&b, i%2*curveWidth, i/2*curveHeight)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// decades returns the exponents of the powers of ten below and above all values, which
// differ by at least one.
func decades(values []float64) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		from, to = min(from, math.Floor(math.Log10(v))), max(to, math.Ceil(math.Log10(v)))
	}
	return from, max(to, from+1)
}

func (c *curve) draw(b *bytes.Buffer, left, top int) {
	x0, x1 := decades(c.x)
	y0, y1 := decades(c.y)
	across := func(v float64) float64 {
		return float64(left+curveLeft) + (v-x0)/(x1-x0)*(curveWidth-curveLeft-curveRight)
	}
	down := func(v float64) float64 {
		return float64(top+curveHeight-curveBottom) - (v-y0)/(y1-y0)*(curveHeight-curveTop-curveBottom)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left+curveLeft, top+curveTop-16, html.EscapeString(c.title))
	for v := y0; v <= y1; v++ {
		fmt.Fprintf(b, `<line x1="%.0f" y1="%.1f" x2="%.0f" y2="%.1f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			across(x0), down(v), across(x1), down(v), across(x0)-6, down(v)+4, count(math.Pow(10, v)))
	}
	for v := x0; v <= x1; v++ {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", across(v), top+curveHeight-curveBottom+15, count(math.Pow(10, v)))
	}
	fmt.Fprintf(b, `<text x="%.0f" y="%d" text-anchor="end">%s</text>`+"\n", across(x1), top+curveHeight-curveBottom+28, c.along)
	b.WriteString(`<polyline class="c" points="`)
	for i := range c.x {
		fmt.Fprintf(b, "%.1f,%.1f ", across(math.Log10(c.x[i])), down(math.Log10(c.y[i])))
	}
	b.WriteString("\"/>\n")
	for i := range c.x {
		x, y := across(math.Log10(c.x[i])), down(math.Log10(c.y[i]))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x, y, x, y-7, three(c.y[i]))
	}
}

// count writes a round number in a short form.
func count(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%g M", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%g k", n/1e3)
	}
	return fmt.Sprintf("%g", n)
}
