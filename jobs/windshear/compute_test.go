package windshear

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"
)

// computeAs does the work of a job of size ranks, one rank after the other, in batches of a few steps, and folds as rank 0 does.
func computeAs(t *testing.T, in fields, boxes []Box, size, batch int, keep bool) *Results {
	t.Helper()
	c, err := newComputation(in, boxes, true, keep)
	if err != nil {
		t.Fatal(err)
	}
	res := &Results{Grid: c.grid, Regions: c.regions}
	for first := 0; first < c.plan.steps; first += batch {
		n := min(batch, c.plan.steps-first) * len(c.plan.bands)
		var sums []Sums
		var kept []float32
		for rank := range size {
			lo, hi := share(n, rank, size)
			s, k, err := c.work(context.Background(), first, lo, hi, func() {})
			if err != nil {
				t.Fatal(err)
			}
			if keep && len(k) != c.points(lo, hi) {
				t.Fatalf("rank %d of %d kept %d points of %d", rank, size, len(k), c.points(lo, hi))
			}
			sums, kept = append(sums, s...), append(kept, k...)
		}
		res.fold(len(c.plan.bands), sums, kept)
	}
	return res
}

func jsonOf(t *testing.T, r *Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeJSON(&b, r.summary()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func near(a *float64, b, tolerance float64) bool { return a != nil && math.Abs(*a-b) <= tolerance }

// TestReferenceFigures checks the embedded winds against figures that were computed elsewhere.
func TestReferenceFigures(t *testing.T) {
	got := computeAs(t, gfs(t), defaultBoxes(), 1, 1, false).summary()
	if got.Times != 1 {
		t.Fatalf("times = %d", got.Times)
	}
	checkReference(t, got)
}

func checkReference(t *testing.T, got Summary) {
	t.Helper()
	for i, want := range []struct {
		name                     string
		points                   int64
		min, mean, weighted, max float64
	}{
		{"globe", 10512, 0.25000, 19.15254, 21.09324, 77.70130},
		{"Atlantic", 779, 0.67624, 18.06792, 18.03400, 51.86525},
		{"main development region", 135, 0.81468, 18.01721, 18.00825, 35.99144},
	} {
		r := got.Regions[i]
		if r.Name != want.name || r.Points != want.points || r.Missing != 0 {
			t.Errorf("region %d: %s with %d points and %d missing, want %s with %d", i, r.Name, r.Points, r.Missing, want.name, want.points)
		}
		if !near(r.Min, want.min, 1e-4) || !near(r.Mean, want.mean, 1e-4) || !near(r.WeightedMean, want.weighted, 1e-4) || !near(r.Max, want.max, 1e-4) {
			t.Errorf("%s: min %v mean %v weighted %v max %v, want %+v", r.Name, *r.Min, *r.Mean, *r.WeightedMean, *r.Max, want)
		}
	}
}

// TestSameDigitsForEverySize: neither the number of ranks, nor the batches, nor keeping the field may change a digit.
func TestSameDigitsForEverySize(t *testing.T) {
	for name, in := range map[string]*planes{"gfs": gfs(t), "storm": storm(t)} {
		boxes := []Box{{"globe", -180, 180, -90, 90}, {"west", -135, -101, 22, 41}, {"point", -100, -100, 40, 40}}
		want := jsonOf(t, computeAs(t, in, boxes, 1, 64, false))
		for _, size := range []int{1, 2, 3, 5, 8, 16, 93, 5000} {
			for _, keep := range []bool{false, true} {
				if got := jsonOf(t, computeAs(t, in, boxes, size, 1+size%7, keep)); got != want {
					t.Fatalf("%s with %d ranks, keep %t:\n%s\nwith one:\n%s", name, size, keep, got, want)
				}
			}
		}
	}
}

// TestStormAgainstSecondComputation walks the storm fields the other way round, point by point over time, and compares.
func TestStormAgainstSecondComputation(t *testing.T) {
	in := storm(t)
	boxes := []Box{{"all", -180, 180, -90, 90}, {"plains", -110, -90, 30, 50}}
	got := computeAs(t, in, boxes, 5, 10, true).summary()
	if got.Times != 64 {
		t.Errorf("times = %d", got.Times)
	}
	checkStorm(t, got, boxes)
}

func checkStorm(t *testing.T, got Summary, boxes []Box) {
	t.Helper()
	in := storm(t)
	for i, b := range boxes {
		var points, missing, below int64
		var sum, wsum, weight float64
		lowest, highest := math.Inf(1), math.Inf(-1)
		for x := len(in.grid.Lon) - 1; x >= 0; x-- {
			for y := len(in.grid.Lat) - 1; y >= 0; y-- {
				lat, lon := in.grid.Lat[y], in.grid.Lon[x]
				if lon < b.West || lon > b.East || lat < b.South || lat > b.North {
					continue
				}
				for s := 63; s >= 0; s-- {
					at := (s*len(in.grid.Lat)+y)*len(in.grid.Lon) + x
					v := math.Hypot(in.w.uLower[at]-in.w.uUpper[at], in.w.vLower[at]-in.w.vUpper[at])
					if math.IsNaN(v) {
						missing++
						continue
					}
					points++
					if v < 12.5 {
						below++
					}
					sum += v
					wsum += v * math.Cos(lat/180*math.Pi)
					weight += math.Cos(lat / 180 * math.Pi)
					lowest, highest = min(lowest, v), max(highest, v)
				}
			}
		}
		r := got.Regions[i]
		if r.Points != points || r.Missing != missing {
			t.Errorf("%s: %d points and %d missing, want %d and %d", b.Name, r.Points, r.Missing, points, missing)
		}
		if !near(r.Mean, sum/float64(points), 1e-9) || !near(r.WeightedMean, wsum/weight, 1e-9) || !near(r.Min, lowest, 1e-9) || !near(r.Max, highest, 1e-9) ||
			!near(r.Below12_5, float64(below)/float64(points), 1e-12) {
			t.Errorf("%s: %+v differs from the second computation: mean %v weighted %v min %v max %v", b.Name, r, sum/float64(points), wsum/weight, lowest, highest)
		}
	}
	if got.Regions[0].Missing == 0 {
		t.Error("the storm fields have missing values, none was counted")
	}
}

// synthetic makes winds whose shear is 5k at longitude index k, on any grid.
func synthetic(times int, lat, lon []float64) *planes {
	n := times * len(lat) * len(lon)
	p := &planes{grid: Grid{Times: make([]float64, times), Lat: lat, Lon: lon}, w: newWinds(n)}
	for i := range n {
		k := float64(i % len(lon))
		p.w.uLower[i], p.w.vLower[i] = 7, -3
		p.w.uUpper[i], p.w.vUpper[i] = 7+3*k, -3+4*k
	}
	return p
}

func TestSyntheticShearIsExact(t *testing.T) {
	in := synthetic(2, []float64{10, 0, -10}, []float64{0, 90, 180, 270})
	in.w.uLower[1] = math.NaN() // step 0, latitude 10, longitude 90
	r := computeAs(t, in, []Box{{"globe", -180, 180, -90, 90}}, 2, 1, true)
	got := r.summary().Regions[0]
	if got.Points != 23 || got.Missing != 1 || *got.Min != 0 || *got.Max != 15 || *got.Mean != (6*0+5*5+6*10+6*15)/23.0 {
		t.Errorf("%+v, mean %v", got, *got.Mean)
	}
	if *got.Below8 != 11/23.0 || *got.Below10 != 11/23.0 || *got.Below12_5 != 17/23.0 {
		t.Errorf("shares %v %v %v: a threshold itself is not below it", *got.Below8, *got.Below10, *got.Below12_5)
	}
	for i, m := range r.meanMap() {
		if m != float64(5*(i%4)) {
			t.Errorf("mean map at %d: %g", i, m)
		}
	}
}

func TestRegionWithoutValidPointIsNull(t *testing.T) {
	in := synthetic(1, []float64{0, 1}, []float64{0, 1})
	for i := range in.w.vUpper {
		in.w.vUpper[i] = math.NaN()
	}
	r := computeAs(t, in, []Box{{"globe", -180, 180, -90, 90}}, 3, 1, true)
	want := `{
  "times": 1,
  "regions": [
    {
      "name": "globe",
      "points": 0,
      "missing": 4,
      "min": null,
      "mean": null,
      "weighted_mean": null,
      "max": null,
      "share_below_8": null,
      "share_below_10": null,
      "share_below_12_5": null
    }
  ]
}
`
	if got := jsonOf(t, r); got != want {
		t.Errorf("got %s", got)
	}
	var series, table bytes.Buffer
	if err := writeSeries(&series, r); err != nil || !strings.HasSuffix(series.String(), "\n0,0,globe,0,4,,,,,,,\n") {
		t.Errorf("series %q, %v", series.String(), err)
	}
	if err := writeTable(&table, []string{"Shear"}, r.Regions, r.summary()); err != nil || strings.Contains(table.String(), "NaN") {
		t.Errorf("table %q, %v", table.String(), err)
	}
}

func TestReadErrorNamesThePlace(t *testing.T) {
	in := synthetic(3, []float64{0, 1}, []float64{0, 1})
	in.fail = 4
	c, err := newComputation(in, defaultBoxes(), false, false)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.work(context.Background(), 0, 0, 6, func() {})
	if err == nil || !strings.Contains(err.Error(), "time step 1, rows 1 to 1") || !strings.Contains(err.Error(), "storage fell over") {
		t.Errorf("error %v", err)
	}
}

func TestPlanCoversEverythingOnce(t *testing.T) {
	for _, rows := range []int{1, 2, 73, 95, 96, 97, 721, 1000} {
		at := 0
		for _, b := range bandsOf(rows, nil, true) {
			if b.first != at || b.rows < 1 {
				t.Fatalf("%d rows: band %+v at %d", rows, b, at)
			}
			at += b.rows
		}
		if at != rows {
			t.Errorf("%d rows: bands cover %d", rows, at)
		}
	}
	for _, n := range []int{0, 1, 73, 4672} {
		for _, size := range []int{1, 2, 5, 93, 5000} {
			at := 0
			for rank := range size {
				lo, hi := share(n, rank, size)
				if lo != at || hi < lo {
					t.Fatalf("rank %d of %d: %d to %d", rank, size, lo, hi)
				}
				at = hi
			}
			if at != n {
				t.Errorf("%d pieces over %d ranks: %d given", n, size, at)
			}
		}
	}
}

func TestOnlyWhatTheBoxesNeedIsRead(t *testing.T) {
	in := synthetic(2, []float64{80, 40, 0, -40, -80}, []float64{0, 60, 120, 180, 240, 300})
	c, err := newComputation(in, []Box{{"b", 110, 190, -10, 45}}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.plan.bands) != 2 || c.plan.bands[0] != (band{1, 1}) || c.col != 2 || c.cols != 2 {
		t.Errorf("bands %v, columns %d+%d", c.plan.bands, c.col, c.cols)
	}
}
