package windshear

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// onEdge is how far (in degrees, some ten metres) a grid point may lie outside a box and still count as on its edge: coordinates are often stored as float32.
const onEdge = 1e-4

// A Box is a region between two meridians and two parallels, in degrees, edges included. It runs eastward from West to East, so West may be the larger number: 350 to 10 crosses the Greenwich meridian.
type Box struct {
	Name                     string
	West, East, South, North float64
}

// defaultBoxes are the regions reported when no --box is given.
func defaultBoxes() []Box {
	return []Box{
		{Name: "globe", West: -180, East: 180, South: -90, North: 90},
		{Name: "Atlantic", West: -100, East: 0, South: 0, North: 45},
		{Name: "main development region", West: -85, East: -20, South: 10, North: 20},
	}
}

// parseBox reads [NAME=]W,E,S,N. Each number may carry its hemisphere: 85W,20W,10N,20N is -85,-20,10,20.
func parseBox(text string) (Box, error) {
	var b Box
	edges := text
	if name, rest, named := strings.Cut(text, "="); named {
		b.Name, edges = strings.TrimSpace(name), rest
	}
	parts := strings.Split(edges, ",")
	if len(parts) != 4 {
		return Box{}, fmt.Errorf("box %q: want four edges W,E,S,N such as 85W,20W,10N,20N", text)
	}
	for i, edge := range []struct {
		to       *float64
		name     string
		plus     string // the hemisphere of positive degrees
		minus    string
		min, max float64
	}{
		{&b.West, "west", "E", "W", -360, 360}, {&b.East, "east", "E", "W", -360, 360},
		{&b.South, "south", "N", "S", -90, 90}, {&b.North, "north", "N", "S", -90, 90},
	} {
		v, err := parseDegrees(parts[i], edge.plus, edge.minus)
		if err != nil {
			return Box{}, fmt.Errorf("box %q: %s edge %w", text, edge.name, err)
		}
		if v < edge.min || v > edge.max {
			return Box{}, fmt.Errorf("box %q: %s edge %s is outside %g to %g degrees", text, edge.name, strings.TrimSpace(parts[i]), edge.min, edge.max)
		}
		*edge.to = v
	}
	if b.South > b.North {
		return Box{}, fmt.Errorf("box %q: its south edge lies north of its north edge (the order is W,E,S,N)", text)
	}
	if b.Name == "" {
		b.Name = b.Edges()
	}
	return b, nil
}

// parseDegrees reads -85, 85W or 85°W.
func parseDegrees(text, plus, minus string) (float64, error) {
	number, sign := strings.ToUpper(strings.TrimSpace(text)), 1.0
	given := number
	switch {
	case strings.HasSuffix(number, plus):
		number = strings.TrimSuffix(number, plus)
	case strings.HasSuffix(number, minus):
		number, sign = strings.TrimSuffix(number, minus), -1
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(number, "°")), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a number of degrees, optionally with %s or %s", text, plus, minus)
	}
	if v < 0 && number != given {
		return 0, fmt.Errorf("%q has both a sign and a hemisphere", text)
	}
	return sign * v, nil
}

// HasLat tells whether a latitude lies in the box.
func (b Box) HasLat(lat float64) bool { return lat >= b.South-onEdge && lat <= b.North+onEdge }

// HasLon tells whether a longitude lies in the box, whatever multiple of 360 degrees it is written with.
func (b Box) HasLon(lon float64) bool {
	if b.East-b.West >= 360-onEdge {
		return true
	}
	east := eastward(b.West, lon)
	return east <= eastward(b.West, b.East)+onEdge || east >= 360-onEdge
}

// eastward is how many degrees, from 0 to below 360, one travels east to get from one meridian to another.
func eastward(from, to float64) float64 {
	d := math.Mod(to-from, 360)
	if d < 0 {
		d += 360
	}
	return d
}

// Edges writes the box the way maps do: 85W-20W, 10N-20N.
func (b Box) Edges() string {
	if b.East-b.West >= 360-onEdge {
		if b.South <= -90 && b.North >= 90 {
			return "globe"
		}
		return "all longitudes, " + latLabel(b.South) + "-" + latLabel(b.North)
	}
	return lonLabel(b.West) + "-" + lonLabel(b.East) + ", " + latLabel(b.South) + "-" + latLabel(b.North)
}

func lonLabel(v float64) string {
	v = math.Mod(v, 360)
	if v > 180 {
		v -= 360
	}
	if v < -180 {
		v += 360
	}
	if math.Abs(v) == 180 {
		return "180"
	}
	return hemisphere(v, "E", "W")
}

func latLabel(v float64) string { return hemisphere(v, "N", "S") }

func hemisphere(v float64, plus, minus string) string {
	text := strconv.FormatFloat(math.Abs(v), 'g', 6, 64)
	switch {
	case v > 0:
		return text + plus
	case v < 0:
		return text + minus
	}
	return text
}
