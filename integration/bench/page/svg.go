package page

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/redismm/matchmaker/integration/bench/figures"
)

// Plot is lines over two axes, both logarithmic unless it says otherwise.
type Plot struct {
	Name  string // of its file
	Title string
	X, Y  string // what the axes are, with units
	Plain bool   // the Y axis is linear, and begins at 0
	Lines []Line
}

// Line is points in the order in which they are joined.
type Line struct {
	Name   string
	Points []figures.Point
}

const (
	width, height = 720, 400
	left, right   = 80, 170
	top, bottom   = 40, 50
)

var colours = []string{"#1b6ca8", "#d1495b", "#3a7d44", "#8d5a97", "#b8860b", "#5c5c5c"}

// axis maps figures to pixels.
type axis struct {
	least, most float64
	from, to    float64
	plain       bool
}

func (a axis) at(x float64) float64 {
	low, high := a.least, a.most
	if !a.plain {
		x, low, high = math.Log10(x), math.Log10(low), math.Log10(high)
	}
	return a.from + (x-low)/(high-low)*(a.to-a.from)
}

// ticks are powers of ten, or of a linear axis its quarters.
func (a axis) ticks() (at []float64) {
	if a.plain {
		for i := range 5 {
			at = append(at, a.least+(a.most-a.least)*float64(i)/4)
		}
		return at
	}
	for x := a.least; x <= a.most*1.001; x *= 10 {
		at = append(at, x)
	}
	return at
}

// around returns an axis that holds all figures which of takes from the lines.
func (p Plot) around(of func(figures.Point) float64, from, to float64, plain bool) axis {
	least, most := math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		for _, q := range l.Points {
			if x := of(q); x > 0 || plain {
				least, most = min(least, x), max(most, x)
			}
		}
	}
	switch {
	case math.IsInf(least, 1):
		least, most = 1, 10
	case plain:
		least, most = 0, max(most, 1e-9)
	default:
		least, most = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most)))
		if least == most {
			most *= 10
		}
	}
	return axis{least, most, from, to, plain}
}

// SVG is the plot as a file.
func (p Plot) SVG() string {
	var b strings.Builder
	x := p.around(func(q figures.Point) float64 { return q.Size }, left, width-right, false)
	y := p.around(func(q figures.Point) float64 { return q.Cost }, height-bottom, top, p.Plain)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<title>%s</title><rect width="%d" height="%d" fill="white"/>`+"\n", html.EscapeString(p.Title), width, height)
	words(&b, left, 22, "start", 14, p.Title)
	words(&b, (left+width-right)/2, height-10, "middle", 12, p.X)
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle" fill="#222">%s</text>`+"\n", (top+height-bottom)/2, html.EscapeString(p.Y))
	for _, at := range x.ticks() {
		stroke(&b, x.at(at), y.from, x.at(at), y.to)
		words(&b, x.at(at), height-bottom+16, "middle", 11, Number(at))
	}
	for _, at := range y.ticks() {
		stroke(&b, x.from, y.at(at), x.to, y.at(at))
		words(&b, left-6, y.at(at)+4, "end", 11, Number(at))
	}
	for i, l := range p.Lines {
		l.draw(&b, x, y, colours[i%len(colours)])
		at := float64(top + 10 + 18*i)
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="12" height="4" fill="%s"/>`+"\n", width-right+12, at-6, colours[i%len(colours)])
		words(&b, width-right+30, at, "start", 11, l.Name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (l Line) draw(b *strings.Builder, x, y axis, colour string) {
	var path []string
	for _, q := range l.Points {
		if q.Size <= 0 || q.Cost <= 0 && !y.plain {
			continue
		}
		path = append(path, fmt.Sprintf("%.1f,%.1f", x.at(q.Size), y.at(q.Cost)))
		if len(l.Points) <= 20 {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(q.Size), y.at(q.Cost), colour)
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
}

func stroke(b *strings.Builder, x1, y1, x2, y2 float64) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", x1, y1, x2, y2)
}

func words(b *strings.Builder, x, y float64, anchor string, size int, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="#222">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(text))
}
