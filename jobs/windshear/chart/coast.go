package chart

import (
	_ "embed"
	"encoding/binary"
	"math"
)

// coastline is described in data/README.md. As a string it stays in the executable's read-only data until a map is drawn.
//
//go:embed data/coastline.bin
var coastline string

// coasts lists the pieces of coast that a map shows, in pixels.
func coasts(l layout) []segment {
	var out []segment
	rest := []byte(coastline)
	for len(rest) >= 2 {
		n := int(binary.BigEndian.Uint16(rest))
		line := rest[2 : 2+4*n]
		rest = rest[2+4*n:]
		for i := 4; i < len(line); i += 4 {
			lon0, lat0 := degreesAt(line[i-4:])
			lon1, lat1 := degreesAt(line[i:])
			// Rings are closed along the date line and the pole, where there is no coast.
			if math.Abs(lon0) == 180 && math.Abs(lon1) == 180 || math.Abs(lon1-lon0) > 180 || min(lat0, lat1) <= -89 {
				continue
			}
			for turn := -360.0; turn <= 360; turn += 360 {
				if max(lon0, lon1)+turn >= l.west && min(lon0, lon1)+turn <= l.east && max(lat0, lat1) >= l.south && min(lat0, lat1) <= l.north {
					out = append(out, segment{point{l.x(lon0 + turn), l.y(lat0)}, point{l.x(lon1 + turn), l.y(lat1)}})
				}
			}
		}
	}
	return out
}

// degreesAt decodes a point.
func degreesAt(b []byte) (lon, lat float64) {
	return float64(int16(binary.BigEndian.Uint16(b))) / 100, float64(int16(binary.BigEndian.Uint16(b[2:]))) / 100
}
