package chart

import (
	"image/color"
	"math"
	"slices"
)

// A scale maps values from 0 to top to colours.
type scale struct {
	top  float64
	over bool // values above top exist; they get the last colour
}

// newScale ends at a round number that nearly all values stay below: a few extreme points must not take the contrast from the rest.
func newScale(values []float64) scale {
	var valid []float64
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			valid = append(valid, v)
		}
	}
	if len(valid) == 0 {
		return scale{top: 1}
	}
	slices.Sort(valid)
	high, highest := valid[(len(valid)*99+99)/100-1], valid[len(valid)-1]
	if highest <= 0 {
		return scale{top: 1}
	}
	if high <= 0 {
		high = highest
	}
	step := niceStep(high, 8)
	top := math.Ceil(high/step-1e-9) * step
	return scale{top: top, over: highest > top}
}

// niceStep is the 1, 2 or 5 times a power of ten that divides span into at most about n parts.
func niceStep(span float64, n int) float64 {
	raw := span / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*unit*(1+1e-9) {
			return m * unit
		}
	}
	return 10 * unit
}

// ramp runs from deep indigo over teal to pale yellow for x from 0 to 1. Lightness rises linearly and hue turns evenly in the OKLCH space
// (Ottosson, "A perceptual color space for image processing", 2020); chroma stays just below what a screen can show, least at the teals.
func ramp(x float64) color.RGBA {
	r, g, b := oklch(rampLCh(min(1, max(0, x))))
	return color.RGBA{srgb(r), srgb(g), srgb(b), 255}
}

func rampLCh(x float64) (lightness, chroma, hue float64) {
	from, bend := x-0.38, 0.25
	if from > 0 {
		bend = 0.11
	}
	return 0.24 + 0.70*x, 0.091 + bend*from*from, (292 - 190*x) * math.Pi / 180
}

// oklch converts to linear red, green and blue.
func oklch(lightness, chroma, hue float64) (r, g, b float64) {
	sin, cos := math.Sincos(hue)
	a, bb := chroma*cos, chroma*sin
	l := cube(lightness + 0.3963377774*a + 0.2158037573*bb)
	m := cube(lightness - 0.1055613458*a - 0.0638541728*bb)
	s := cube(lightness - 0.0894841775*a - 1.2914855480*bb)
	return 4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
		-1.2684380046*l + 2.6097574011*m - 0.3413193965*s,
		-0.0041960863*l - 0.7034186147*m + 1.7076147010*s
}

func cube(x float64) float64 { return x * x * x }

// srgb is the transfer function of IEC 61966-2-1.
func srgb(v float64) uint8 {
	v = min(1, max(0, v))
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * v))
}
