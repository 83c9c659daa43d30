// Package units understands the units that coordinates of arrays come in.
package units

import (
	"fmt"
	"strings"
)

// perHPa is how many of each unit make a hectopascal. Names as in the CF conventions and UDUNITS, in lower case; "level" and
// "levels" are how older files mark pressure levels given in millibars.
var pressures = []struct {
	names  []string
	perHPa float64
}{
	{[]string{"hpa", "hectopascal", "hectopascals", "mb", "mbar", "mbars", "millibar", "millibars", "level", "levels"}, 1},
	{[]string{"pa", "pascal", "pascals"}, 100},
	{[]string{"kpa", "kilopascal", "kilopascals"}, 0.1},
	{[]string{"bar", "bars"}, 0.001},
}

// Pressure converts values of a unit to hectopascals, into a new slice.
func Pressure(values []float64, unit string) ([]float64, error) {
	name := strings.ToLower(strings.TrimSpace(unit))
	for _, u := range pressures {
		for _, n := range u.names {
			if n != name {
				continue
			}
			out := make([]float64, len(values))
			for i, v := range values {
				out[i] = v / u.perHPa // a division: 85000 Pa is 850 hPa to the last bit
			}
			return out, nil
		}
	}
	if name == "" {
		return nil, fmt.Errorf("a coordinate without a unit cannot be taken as pressure (known units: %s)", known())
	}
	return nil, fmt.Errorf("the unit %q is not a pressure (known units: %s)", unit, known())
}

func known() string { return "Pa, hPa, kPa, bar, mb, mbar, millibar, millibars, level" }
