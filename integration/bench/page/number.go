package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number is a figure to three digits, with commas between thousands.
func Number(x float64) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprint(x)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(x)))))
	if math.Abs(x) >= 999.5 {
		scale := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-2)
		return commas(strconv.FormatFloat(math.Round(x/scale)*scale, 'f', 0, 64))
	}
	s := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func commas(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Seconds is a time, given in seconds, to three digits, in the unit that suits it.
func Seconds(x float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if math.Abs(x) >= u.of {
			return Number(x/u.of) + " " + u.name
		}
	}
	return Number(x*1e9) + " ns"
}

// Took is Seconds of a duration.
func Took(d time.Duration) string { return Seconds(d.Seconds()) }

// Bytes is a size to three digits, in the unit that suits it.
func Bytes(x float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if x >= u.of {
			return Number(x/u.of) + " " + u.name
		}
	}
	return Number(x) + " bytes"
}
