// Package figures is the arithmetic of the report: medians and spreads of rounds, bars, and laws of growth.
package figures

import "slices"

// Sample is one figure of each round, in the order of the rounds.
type Sample []float64

// Median is the middle of the sample, or of an even number the mean of the two; 0 of none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	in := slices.Sorted(slices.Values(s))
	return (in[(len(in)-1)/2] + in[len(in)/2]) / 2
}

// Spread is the least and the most of the sample; 0 and 0 of none.
func (s Sample) Spread() (least, most float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// At is what a part of the sample, from 0 to 1, does not exceed; 0 of none.
func (s Sample) At(part float64) float64 {
	if len(s) == 0 {
		return 0
	}
	in := slices.Sorted(slices.Values(s))
	at := int(part * float64(len(in)))
	return in[min(at, len(in)-1)]
}

// Times is the sample with each figure multiplied.
func (s Sample) Times(by float64) Sample {
	out := make(Sample, len(s))
	for i, x := range s {
		out[i] = x * by
	}
	return out
}

// Over divides round by round: a figure by the one that was taken beside it. Rounds that only one has are left out.
func (s Sample) Over(other Sample) Sample {
	out := make(Sample, min(len(s), len(other)))
	for i := range out {
		out[i] = s[i] / other[i]
	}
	return out
}

// Bar is what a figure must keep to.
type Bar struct {
	at   float64
	most bool
}

// AtMost is a bar that the median may not be over.
func AtMost(x float64) Bar { return Bar{x, true} }

// AtLeast is a bar that the median may not be under.
func AtLeast(x float64) Bar { return Bar{x, false} }

// Kept says whether a sample's median keeps to the bar. A sample of nothing does not.
func (b Bar) Kept(s Sample) bool {
	if len(s) == 0 {
		return false
	}
	if b.most {
		return s.Median() <= b.at
	}
	return s.Median() >= b.at
}

// At is the figure of the bar, and Sign what a figure that keeps to it is to it.
func (b Bar) At() float64 { return b.at }

// Sign is ≤ or ≥.
func (b Bar) Sign() string {
	if b.most {
		return "≤"
	}
	return "≥"
}
