package units

import (
	"slices"
	"strings"
	"testing"
)

func TestPressure(t *testing.T) {
	for _, c := range []struct {
		unit     string
		in, want []float64
	}{
		{"Pa", []float64{20000, 85000, 70}, []float64{200, 850, 0.7}},
		{"hPa", []float64{200, 850}, []float64{200, 850}},
		{"mb", []float64{200}, []float64{200}},
		{"mbar", []float64{200}, []float64{200}},
		{" millibar ", []float64{200}, []float64{200}},
		{"Millibars", []float64{200}, []float64{200}},
		{"level", []float64{500}, []float64{500}},
		{"kPa", []float64{20, 85}, []float64{200, 850}},
		{"bar", []float64{0.85}, []float64{850}},
		{"pascal", nil, []float64{}},
	} {
		got, err := Pressure(c.in, c.unit)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Pressure(%v, %q) = %v, %v, want %v", c.in, c.unit, got, err, c.want)
		}
	}
}

func TestNoPressure(t *testing.T) {
	for _, unit := range []string{"", "m", "K", "degrees_north", "sigma", "h Pa"} {
		_, err := Pressure([]float64{1}, unit)
		if err == nil || !strings.Contains(err.Error(), "Pa, hPa, kPa") || unit != "" && !strings.Contains(err.Error(), unit) {
			t.Errorf("%q: %v; the message must name the unit and those known", unit, err)
		}
	}
}
