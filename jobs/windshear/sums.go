package windshear

import (
	"math"
	"unsafe"
)

// thresholds in m/s: below 8 the shear favours tropical cyclones, below 10 it is weak, 12.5 is about the limit (NOAA Climate Prediction Center).
var thresholds = [3]float64{8, 10, 12.5}

// Sums are the partial results of a region over one piece of the work, or the fold of many. It holds no pointers and travels between ranks as it is.
type Sums struct {
	Points, Missing     int64
	Below               [3]int64 // points below each threshold
	Min, Max            float64  // meaningless while Points is 0
	Sum                 float64
	WeightedSum, Weight float64 // weights are cos(latitude)
}

// add counts one value, NaN for a missing one.
func (s *Sums) add(x, weight float64) {
	if math.IsNaN(x) {
		s.Missing++
		return
	}
	if s.Points == 0 || x < s.Min {
		s.Min = x
	}
	if s.Points == 0 || x > s.Max {
		s.Max = x
	}
	s.Points++
	for i, limit := range thresholds {
		if x < limit {
			s.Below[i]++
		}
	}
	s.Sum += x
	// The conversion keeps compilers from fusing the multiplication into the addition, which rounds differently on some processors.
	s.WeightedSum += float64(x * weight)
	s.Weight += weight
}

// fold adds the sums of another piece. Floating-point addition is not associative: whoever folds must do it in the order of the pieces.
func (s *Sums) fold(o Sums) {
	if o.Points > 0 {
		if s.Points == 0 || o.Min < s.Min {
			s.Min = o.Min
		}
		if s.Points == 0 || o.Max > s.Max {
			s.Max = o.Max
		}
	}
	s.Points += o.Points
	s.Missing += o.Missing
	for i := range s.Below {
		s.Below[i] += o.Below[i]
	}
	s.Sum += o.Sum
	s.WeightedSum += o.WeightedSum
	s.Weight += o.Weight
}

// winds are the four components over the same points, NaN where missing.
type winds struct{ uUpper, uLower, vUpper, vLower []float64 }

// shear writes |V upper - V lower| in m/s to out; a point that lacks any component is NaN.
func shear(out []float64, w winds) {
	for i := range out {
		du, dv := w.uUpper[i]-w.uLower[i], w.vUpper[i]-w.vLower[i]
		out[i] = math.Sqrt(float64(du*du) + float64(dv*dv))
	}
}

// sumRows adds the points of a window, given row after row, to one Sums a region.
func sumRows(into []Sums, regions []region, weights, values []float64, win window) {
	for i := 0; i < win.rows; i++ {
		row, at := values[i*win.cols:(i+1)*win.cols], win.row+i
		for k := range regions {
			if !regions[k].row[at] {
				continue
			}
			for _, j := range regions[k].cols {
				into[k].add(row[j-win.col], weights[at])
			}
		}
	}
}

const sumsBytes = int(unsafe.Sizeof(Sums{}))
