package figures

import "math"

// Point is a cost at a size of what it grows with.
type Point struct{ Size, Cost float64 }

// Law is how a cost may grow with a size at most: with its Power, 0 for not at all, 1 for in proportion.
type Law struct {
	What, With string
	Power      float64
}

// Tolerance is how much more than a law's power a fitted slope may be: figures are of a shared machine.
const Tolerance = 0.1

// Fit is a law held against what was measured.
type Fit struct {
	Law
	Points []Point
	// Slope is how the cost grows with the size: of the straight line through the logarithms of both, by least squares.
	Slope float64
	// Last is the same between the two largest sizes, where what is fixed weighs least.
	Last float64
}

// Fits fits a slope to points, at least two of different sizes, in the order of their sizes.
func (l Law) Fits(points ...Point) Fit {
	f := Fit{Law: l, Points: points, Slope: slope(points), Last: slope(points[max(0, len(points)-2):])}
	return f
}

// Kept says whether the cost grows no faster than the law.
func (f Fit) Kept() bool { return f.Slope <= f.Power+Tolerance }

func slope(points []Point) float64 {
	var x, y float64
	for _, p := range points {
		x, y = x+math.Log(p.Size), y+math.Log(p.Cost)
	}
	x, y = x/float64(len(points)), y/float64(len(points))
	var over, under float64
	for _, p := range points {
		dx := math.Log(p.Size) - x
		over, under = over+dx*(math.Log(p.Cost)-y), under+dx*dx
	}
	return over / under
}
