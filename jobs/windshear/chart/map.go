package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
)

// A Map is what to draw. Lat and Lon are in degrees, rising or falling; Values has a row for each latitude, NaN where missing.
type Map struct {
	Lat, Lon, Values []float64
	Title, Subtitle  string
	Unit             string  // of the values, for the colour bar
	Contour          float64 // a line where the values cross this one; NaN for none
	Boxes            []Box
}

// A Box is outlined on the map, from its western edge eastward. One that goes around the globe is not drawn.
type Box struct {
	Name                     string
	West, East, South, North float64
}

var (
	paper   = color.NRGBA{250, 250, 248, 255}
	ink     = color.NRGBA{32, 36, 48, 255}
	faint   = color.NRGBA{96, 102, 118, 255}
	missing = color.RGBA{214, 214, 214, 255}
	hatch   = color.RGBA{186, 186, 186, 255}
	white   = color.NRGBA{255, 255, 255, 255}
	shadow  = color.NRGBA{10, 12, 24, 170}
	plate   = color.NRGBA{14, 16, 32, 150}
	coast   = color.NRGBA{6, 6, 16, 220}
	halo    = color.NRGBA{255, 255, 255, 70} // shows the coast on dark shades
	grid    = color.NRGBA{255, 255, 255, 62}
)

// WritePNG draws the map and writes it as a PNG.
func (m Map) WritePNG(w io.Writer) error {
	img, err := m.Draw()
	if err != nil {
		return err
	}
	fast := png.Encoder{CompressionLevel: png.BestSpeed} // a third more bytes, a quarter of the time
	return fast.Encode(w, img)
}

// Draw draws the map.
func (m Map) Draw() (*image.RGBA, error) {
	if len(m.Lat) == 0 || len(m.Lon) == 0 || len(m.Values) != len(m.Lat)*len(m.Lon) {
		return nil, fmt.Errorf("chart: %d values on %d latitudes and %d longitudes", len(m.Values), len(m.Lat), len(m.Lon))
	}
	f := newField(m.Lat, m.Lon, m.Values)
	l := newLayout(f)
	p, err := newPen(l.width, l.height)
	if err != nil {
		return nil, err
	}
	p.fill(box{0, 0, float64(l.width), float64(l.height)}, paper)
	s := newScale(f.values)
	shade(p.img, f, l, s)
	shore := coasts(l)
	p.stroke(shore, 4, halo, l.frame)
	p.stroke(shore, 1.6, coast, l.frame)
	drawGraticule(p, l)
	if !math.IsNaN(m.Contour) {
		drawContour(p, f, l, m.Contour)
	}
	for _, b := range m.Boxes {
		drawBox(p, l, b)
	}
	drawFrame(p, l)
	p.text(p.title, p.fit(p.title, m.Title, float64(l.width-marginLeft-marginRight)), marginLeft, 52, start, ink)
	p.text(p.label, p.fit(p.label, m.Subtitle, float64(l.width-marginLeft-marginRight)), marginLeft, 86, start, faint)
	drawBar(p, l, s, m.Unit, m.Contour, anyMissing(f.values))
	return p.img, nil
}

// shade colours each pixel of the frame.
func shade(img *image.RGBA, f field, l layout, s scale) {
	columns := make([]place, int(l.frame.width()))
	for x := range columns {
		columns[x] = f.locateLon(l.lon(l.frame.x0 + float64(x) + 0.5))
	}
	var colours [1024]color.RGBA
	for i := range colours {
		colours[i] = ramp(float64(i) / float64(len(colours)-1))
	}
	for y := range int(l.frame.height()) {
		row := locate(f.lat, l.lat(l.frame.y0+float64(y)+0.5))
		for x, col := range columns {
			c := missing
			if v := f.sample(row, col); v == v {
				c = colours[int(min(1, max(0, v/s.top))*float64(len(colours)-1)+0.5)]
			} else if (x+y)%9 < 2 {
				c = hatch
			}
			img.SetRGBA(int(l.frame.x0)+x, int(l.frame.y0)+y, c)
		}
	}
}

// drawContour samples the field every few pixels and draws the line with a shadow that keeps it apart from bright shades.
func drawContour(p *pen, f field, l layout, level float64) {
	const spacing = 3
	w, h := int(l.frame.width())/spacing+1, int(l.frame.height())/spacing+1
	raster := make([]float64, 0, w*h)
	for y := range h {
		row := locate(f.lat, l.lat(l.frame.y0+float64(y*spacing)))
		for x := range w {
			// A hair inside the right edge, which is also the left one on a global map.
			lon := min(l.lon(l.frame.x0+float64(x*spacing)), l.east-1e-9)
			raster = append(raster, f.sample(row, f.locateLon(lon)))
		}
	}
	lines := contour(raster, w, h, spacing, level)
	for i := range lines {
		for _, q := range []*point{&lines[i].a, &lines[i].b} {
			q.x, q.y = q.x+l.frame.x0, q.y+l.frame.y0
		}
	}
	p.stroke(lines, 4.2, shadow, l.frame)
	p.stroke(lines, 2, white, l.frame)
}

func drawGraticule(p *pen, l layout) {
	var lines []segment
	for _, lon := range lonTicks(l) {
		lines = append(lines, segment{point{l.x(lon), l.frame.y0}, point{l.x(lon), l.frame.y1}})
	}
	for _, lat := range latTicks(l) {
		lines = append(lines, segment{point{l.frame.x0, l.y(lat)}, point{l.frame.x1, l.y(lat)}})
	}
	p.stroke(lines, 1.2, grid, l.frame)
}

func lonTicks(l layout) []float64 {
	return ticks(l.west, l.east, degreeStep(l.east-l.west, int(max(2, l.frame.width()/100))))
}

func latTicks(l layout) []float64 {
	return ticks(l.south, l.north, degreeStep(l.north-l.south, int(max(2, l.frame.height()/80))))
}

// drawFrame draws the edge of the map, with ticks and degrees.
func drawFrame(p *pen, l layout) {
	r := l.frame
	lines := []segment{
		{point{r.x0, r.y0}, point{r.x1, r.y0}}, {point{r.x1, r.y0}, point{r.x1, r.y1}},
		{point{r.x1, r.y1}, point{r.x0, r.y1}}, {point{r.x0, r.y1}, point{r.x0, r.y0}},
	}
	for _, lon := range lonTicks(l) {
		lines = append(lines, segment{point{l.x(lon), r.y1}, point{l.x(lon), r.y1 + 7}})
		p.text(p.small, degrees(within180(lon), "E", "W"), l.x(lon), r.y1+27, middle, ink)
	}
	for _, lat := range latTicks(l) {
		lines = append(lines, segment{point{r.x0 - 7, l.y(lat)}, point{r.x0, l.y(lat)}})
		p.text(p.small, degrees(lat, "N", "S"), r.x0-13, l.y(lat)+6, end, ink)
	}
	p.stroke(lines, 1.6, ink, l.frame.wider(10))
}

func degrees(v float64, plus, minus string) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', -1, 64)
	if r := math.Round(v*10) / 10; r != v {
		text = strconv.FormatFloat(math.Abs(r), 'f', 1, 64)
	}
	switch {
	case math.Abs(v) == 180 || v == 0:
		return text + "°"
	case v > 0:
		return text + "°" + plus
	}
	return text + "°" + minus
}

// drawBox outlines a box, in as many parts as the edges of the map cut it into.
func drawBox(p *pen, l layout, b Box) {
	across := b.East - b.West
	if across < 0 {
		across += 360
	}
	if across >= 360 {
		return
	}
	south, north := max(b.South, l.south), min(b.North, l.north)
	if south > north || south == north && b.South < b.North {
		return
	}
	var outline []segment
	var label *point
	first := b.West + 360*math.Floor((l.west-b.West)/360)
	for west := first; west <= l.east; west += 360 {
		w, e := max(west, l.west), min(west+across, l.east)
		if w > e || w == e && across > 0 {
			continue
		}
		nw, ne, sw, se := point{l.x(w), l.y(north)}, point{l.x(e), l.y(north)}, point{l.x(w), l.y(south)}, point{l.x(e), l.y(south)}
		if label == nil {
			label = &nw
		}
		for _, side := range []struct {
			inside bool
			line   segment
		}{
			{north == b.North, segment{nw, ne}}, {south == b.South, segment{sw, se}},
			{w == west, segment{nw, sw}}, {e == west+across, segment{ne, se}},
		} {
			if side.inside {
				outline = append(outline, side.line)
			}
		}
	}
	if label == nil {
		return
	}
	p.stroke(outline, 5, shadow, l.frame)
	p.stroke(outline, 2.4, white, l.frame)
	// The name stands in the box if it leaves enough to see, else above it or, at the upper edge of the map, below.
	tag := box{label.x + 5, label.y + 5, label.x + p.width(p.small, b.Name) + 19, label.y + 31}
	move := point{min(0, l.frame.x1-4-tag.x1), 0}
	if tall := l.y(south) - label.y; tall < 110 {
		move.x -= min(5, tag.x0-l.frame.x0)
		if move.y = -38; tag.y0+move.y < l.frame.y0 {
			move.y = tall
		}
	}
	tag = box{tag.x0 + move.x, tag.y0 + move.y, tag.x1 + move.x, tag.y1 + move.y}
	p.fill(tag, plate)
	p.text(p.small, b.Name, tag.x0+7, tag.y0+19, start, white)
}

// drawBar draws the colour bar with its unit, the place of the contour, and what the hatching means.
func drawBar(p *pen, l layout, s scale, unit string, level float64, hatched bool) {
	width := min(l.frame.width(), 860)
	if l.frame.width() < leastWidth {
		width = leastWidth - 120
	}
	centre := math.Round((l.frame.x0 + l.frame.x1) / 2)
	bar := box{centre - width/2, l.frame.y1 + 62, centre + width/2, l.frame.y1 + 84}
	for x := int(bar.x0); x < int(bar.x1); x++ {
		c := ramp((float64(x) + 0.5 - bar.x0) / bar.width())
		for y := int(bar.y0); y < int(bar.y1); y++ {
			p.img.SetRGBA(x, y, c)
		}
	}
	right := bar.x1
	if s.over { // an arrow: the scale goes on
		right = bar.x1 + 18
		var arrow []segment
		for x := bar.x1; x < right; x++ {
			inset := (x + 0.5 - bar.x1) / (right - bar.x1) * bar.height() / 2
			arrow = append(arrow, segment{point{x + 0.5, bar.y0 + inset}, point{x + 0.5, bar.y1 - inset}})
		}
		p.stroke(arrow, 1, ramp(1), bar.wider(24))
	}
	outline := []segment{
		{point{bar.x0, bar.y0}, point{bar.x1, bar.y0}}, {point{bar.x1, bar.y0}, point{right, (bar.y0 + bar.y1) / 2}},
		{point{right, (bar.y0 + bar.y1) / 2}, point{bar.x1, bar.y1}}, {point{bar.x1, bar.y1}, point{bar.x0, bar.y1}}, {point{bar.x0, bar.y1}, point{bar.x0, bar.y0}},
	}
	at := func(v float64) float64 { return bar.x0 + v/s.top*bar.width() }
	for _, v := range ticks(0, s.top, niceStep(s.top, 10)) {
		outline = append(outline, segment{point{at(v), bar.y1}, point{at(v), bar.y1 + 6}})
		p.text(p.small, strconv.FormatFloat(v, 'g', 6, 64), at(v), bar.y1+26, middle, ink)
	}
	p.stroke(outline, 1.4, ink, bar.wider(24))
	p.text(p.small, unit, right+14, (bar.y0+bar.y1)/2+6, start, ink)
	if level > 0 && level <= s.top {
		mark := []segment{{point{at(level), bar.y0 - 5}, point{at(level), bar.y1}}}
		p.stroke(mark, 4.6, shadow, bar.wider(10))
		p.stroke(mark, 2.2, white, bar.wider(10))
		p.text(p.small, strconv.FormatFloat(level, 'g', 6, 64)+" "+unit+" contour", at(level), bar.y0-12, middle, faint)
	}
	if hatched {
		p.text(p.small, "hatched: no data", bar.x1, bar.y0-12, end, faint)
	}
}

func anyMissing(values []float64) bool {
	for _, v := range values {
		if v != v {
			return true
		}
	}
	return false
}
