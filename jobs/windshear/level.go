package windshear

import (
	"math"
	"strconv"
	"strings"
)

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
