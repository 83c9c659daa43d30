package windshear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gridrun/lram/format/array"
)

// An ndarray is one array as this package needs it; *lram.Dataset behind a thin wrapper, or a file without a cache in a test.
type ndarray interface {
	Shape() []int
	Dims() []string
	Attrs() map[string]any
	Coord(ctx context.Context, dim string) (values []float64, unit string, err error)
	Read(ctx context.Context, start, count []int, buf []float64) error
	Prefetch(ctx context.Context, start, count []int) error
	Close() error
}

// Axes says which dimension of an array is which; -1 for one that it does not have. Other dimensions have length 1.
type axes struct {
	time, level, lat, lon int
	ndims                 int
	times, lats, lons     []float64
	timeUnit              string
	levels                []float64 // as in the file
	levelUnit             string
}

// findAxes tells the dimensions apart by the units of their coordinates, as the CF conventions have it, and by their usual names.
func findAxes(ctx context.Context, ref string, a ndarray) (axes, error) {
	shape, dims := a.Shape(), a.Dims()
	x := axes{time: -1, level: -1, lat: -1, lon: -1, ndims: len(dims)}
	for i, dim := range dims {
		values, unit, err := a.Coord(ctx, dim)
		if err != nil && !errors.Is(err, array.ErrNoCoord) {
			return x, fmt.Errorf("windshear: %s: %w", ref, err)
		}
		if err == nil && len(values) != shape[i] {
			return x, usageErrorf("%s: dimension %s has %d elements and %d coordinate values", ref, dim, shape[i], len(values))
		}
		switch kind := axisKind(dim, unit); {
		case kind == latAxis && x.lat < 0:
			x.lat, x.lats = i, values
		case kind == lonAxis && x.lon < 0:
			x.lon, x.lons = i, values
		case kind == timeAxis && x.time < 0:
			x.time, x.times, x.timeUnit = i, values, unit
		case kind == levelAxis && x.level < 0:
			x.level, x.levels, x.levelUnit = i, values, unit
		case shape[i] != 1:
			return x, usageErrorf("%s has the dimensions %s: %s is none of time, level, latitude and longitude", ref, shapeText(dims, shape), dim)
		}
	}
	if x.lat < 0 || x.lon < 0 {
		return x, usageErrorf("%s has the dimensions %s: no latitude and longitude among them", ref, shapeText(dims, shape))
	}
	if x.lats == nil || x.lons == nil {
		return x, usageErrorf("%s: the file has no coordinate values for %s and %s", ref, dims[x.lat], dims[x.lon])
	}
	if x.lon != x.ndims-1 || x.lat != x.ndims-2 {
		return x, usageErrorf("%s has the dimensions %s: latitude and longitude must be the last two, in this order", ref, shapeText(dims, shape))
	}
	if x.time >= 0 && x.times == nil {
		x.times = make([]float64, shape[x.time])
		for i := range x.times {
			x.times[i] = float64(i)
		}
	}
	if x.time < 0 {
		x.times = []float64{0}
	}
	return x, nil
}

type kind int

const (
	otherAxis kind = iota
	timeAxis
	levelAxis
	latAxis
	lonAxis
)

func axisKind(dim, unit string) kind {
	unit = strings.ToLower(unit)
	switch unit {
	case "degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen":
		return latAxis
	case "degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee":
		return lonAxis
	}
	if strings.Contains(unit, " since ") {
		return timeAxis
	}
	name := strings.ToLower(dim)
	switch name {
	case "lat", "latitude", "lats", "y", "rlat", "nav_lat":
		return latAxis
	case "lon", "longitude", "lons", "x", "rlon", "nav_lon", "long":
		return lonAxis
	case "time", "times", "t", "timestep", "step", "valid_time", "forecast_time":
		return timeAxis
	case "lev", "level", "levels", "plev", "p", "pres", "pressure", "pressure_level", "z", "height", "lv", "ilev", "isobaric":
		return levelAxis
	}
	for prefix, k := range map[string]kind{"time": timeAxis, "lev": levelAxis, "plev": levelAxis, "isobaric": levelAxis, "lv_isbl": levelAxis, "pressure": levelAxis, "lat": latAxis, "lon": lonAxis} {
		if strings.HasPrefix(name, prefix) {
			return k
		}
	}
	if _, err := hectopascals([]float64{500}, unit); err == nil && unit != "" && unit != "1" {
		return levelAxis
	}
	return otherAxis
}

// shapeText writes dimensions for messages: time=1, plev=26, lat=73, lon=144.
func shapeText(dims []string, shape []int) string {
	var parts []string
	for i, d := range dims {
		parts = append(parts, fmt.Sprintf("%s=%d", d, shape[i]))
	}
	return strings.Join(parts, ", ")
}

// levelIndex finds the level of a component. An array without a level dimension is one level; so is one with a single level where the level was not asked for.
func (x axes) levelIndex(ref string, hPa float64, asked bool) (int, error) {
	if x.level < 0 || len(x.levels) == 1 && !asked {
		return 0, nil
	}
	if x.levels == nil {
		return 0, usageErrorf("%s: its level dimension has no coordinate values, so %g hPa cannot be found", ref, hPa)
	}
	levels, err := hectopascals(x.levels, x.levelUnit)
	if err == nil {
		var i int
		if i, err = findLevel(levels, hPa); err == nil {
			return i, nil
		}
	}
	return 0, usageErrorf("%s: %s", ref, strings.TrimPrefix(err.Error(), "windshear: "))
}

// box of a window at a time step and level, in the array's own dimensions.
func (x axes) box(step, level int, win window) (start, count []int) {
	start, count = make([]int, x.ndims), make([]int, x.ndims)
	for i := range count {
		count[i] = 1
	}
	if x.time >= 0 {
		start[x.time] = step
	}
	if x.level >= 0 {
		start[x.level] = level
	}
	start[x.lat], count[x.lat] = win.row, win.rows
	start[x.lon], count[x.lon] = win.col, win.cols
	return start, count
}

// hectopascals converts the values of a level coordinate to hPa. Units such as "level" or none at all say nothing: then pressures are recognised by their size.
func hectopascals(levels []float64, unit string) ([]float64, error) {
	var factor float64
	switch strings.ToLower(strings.TrimSpace(unit)) {
	case "pa", "pascal", "pascals":
		factor = 0.01
	case "hpa", "hectopascal", "hectopascals", "mb", "mbar", "mbars", "millibar", "millibars":
		factor = 1
	case "kpa", "kilopascal", "kilopascals":
		factor = 10
	case "bar", "bars":
		factor = 1000
	case "", "level", "levels", "1":
		switch largest := largest(levels); {
		case largest > 2000 && largest < 200000:
			factor = 0.01
		case largest >= 100 && largest <= 2000:
			factor = 1
		}
	}
	if factor == 0 {
		return nil, usageErrorf("the levels of the file (%s, unit %q) are not pressures: want Pa, hPa, mb or level", someNumbers(levels), unit)
	}
	out := make([]float64, len(levels))
	for i, v := range levels {
		out[i] = v * factor
	}
	return out, nil
}

// findLevel returns the index of the level at the wanted pressure, all in hPa.
func findLevel(levels []float64, wanted float64) (int, error) {
	for i, v := range levels {
		if math.Abs(v-wanted) <= 1e-4*math.Max(1, wanted) {
			return i, nil
		}
	}
	return 0, usageErrorf("no level at %g hPa in the file; it has %s hPa", wanted, someNumbers(levels))
}

func largest(v []float64) float64 {
	m := 0.0
	for _, x := range v {
		m = math.Max(m, math.Abs(x))
	}
	return m
}

// someNumbers lists up to 40 numbers and says how many it left out.
func someNumbers(values []float64) string {
	const most = 40
	var b strings.Builder
	for i, v := range values {
		if i == most {
			b.WriteString(", ... (" + strconv.Itoa(len(values)) + " in all)")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatFloat(v, 'g', 7, 64))
	}
	return b.String()
}
