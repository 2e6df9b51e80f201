package figures

import (
	"math"
	"slices"
	"testing"
)

func TestTheMedianIsTheMiddleInWhateverOrder(t *testing.T) {
	for _, c := range []struct {
		of   Sample
		want float64
	}{{nil, 0}, {Sample{3}, 3}, {Sample{9, 1, 5}, 5}, {Sample{4, 1, 9, 2}, 3}} {
		was := slices.Clone(c.of)
		if got := c.of.Median(); got != c.want || !slices.Equal(c.of, was) {
			t.Errorf("median of %v: %v, want %v and the sample as it was", was, got, c.want)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	ours, theirs := Sample{1, 10, 3}, Sample{2, 20, 3, 7}
	if got := ours.Over(theirs); !slices.Equal(got, Sample{0.5, 0.5, 1}) {
		t.Errorf("ratios %v, want each round's own", got)
	}
}

func TestSpreadAndPartsAreOfTheWholeSample(t *testing.T) {
	s := Sample{5, 1, 4, 2, 3}
	if least, most := s.Spread(); least != 1 || most != 5 {
		t.Errorf("spread %v to %v, want 1 to 5", least, most)
	}
	for part, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := s.At(part); got != want {
			t.Errorf("at %v: %v, want %v", part, got, want)
		}
	}
	if got := s.Times(2); !slices.Equal(got, Sample{10, 2, 8, 4, 6}) {
		t.Errorf("doubled: %v", got)
	}
}

func TestABarIsKeptByTheMedian(t *testing.T) {
	for _, c := range []struct {
		bar  Bar
		of   Sample
		want bool
	}{
		{AtMost(2), Sample{1, 2, 9}, true}, {AtMost(2), Sample{1, 3, 9}, false},
		{AtLeast(2), Sample{1, 2, 9}, true}, {AtLeast(2), Sample{1, 1, 9}, false},
		{AtMost(2), nil, false}, {AtLeast(0), nil, false},
	} {
		if got := c.bar.Kept(c.of); got != c.want {
			t.Errorf("%s %v kept by %v: %v, want %v", c.bar.Sign(), c.bar.At(), c.of, got, c.want)
		}
	}
}

func TestASlopeIsThePowerOfTheGrowth(t *testing.T) {
	for _, power := range []float64{0, 0.5, 1, 2} {
		var points []Point
		for _, n := range []float64{1, 10, 100, 1000} {
			points = append(points, Point{n, 7 * math.Pow(n, power)})
		}
		f := Law{"cost", "size", power}.Fits(points...)
		if math.Abs(f.Slope-power) > 1e-9 || math.Abs(f.Last-power) > 1e-9 || !f.Kept() {
			t.Errorf("power %v: slope %v, last %v, kept %v", power, f.Slope, f.Last, f.Kept())
		}
		if stricter := (Law{"cost", "size", power - 0.2}).Fits(points...); stricter.Kept() {
			t.Errorf("power %v keeps to a law of %v", power, power-0.2)
		}
	}
}
