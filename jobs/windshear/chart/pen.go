package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// A point is in pixels, x to the right and y down.
type point struct{ x, y float64 }

type segment struct{ a, b point }

// A pen draws on a picture.
type pen struct {
	img                 *image.RGBA
	title, label, small font.Face
}

func newPen(width, height int) (*pen, error) {
	p := &pen{img: image.NewRGBA(image.Rect(0, 0, width, height))}
	for _, f := range []struct {
		to   *font.Face
		ttf  []byte
		size float64
	}{{&p.title, gobold.TTF, 30}, {&p.label, goregular.TTF, 20}, {&p.small, goregular.TTF, 17}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return nil, fmt.Errorf("chart: font: %w", err)
		}
		if *f.to, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingNone}); err != nil {
			return nil, fmt.Errorf("chart: font: %w", err)
		}
	}
	return p, nil
}

// fill paints a rectangle.
func (p *pen) fill(r box, c color.Color) {
	draw.Draw(p.img, r.pixels(), image.NewUniform(c), image.Point{}, draw.Over)
}

// stroke paints lines of a width in pixels with round ends, inside clip only. Where lines meet or cross nothing is painted twice: each pixel takes the
// coverage of the line nearest to it, found from its distance.
func (p *pen) stroke(lines []segment, width float64, c color.Color, clip box) {
	inside := clip.pixels().Intersect(p.img.Bounds())
	mask := image.NewAlpha(inside)
	reach := width/2 + 1
	for _, l := range lines {
		near := image.Rect(
			int(math.Floor(min(l.a.x, l.b.x)-reach)), int(math.Floor(min(l.a.y, l.b.y)-reach)),
			int(math.Ceil(max(l.a.x, l.b.x)+reach)), int(math.Ceil(max(l.a.y, l.b.y)+reach)),
		).Intersect(inside)
		for y := near.Min.Y; y < near.Max.Y; y++ {
			for x := near.Min.X; x < near.Max.X; x++ {
				cover := width/2 + 0.5 - l.distance(point{float64(x) + 0.5, float64(y) + 0.5})
				if a := uint8(255 * min(1, max(0, cover))); a > mask.AlphaAt(x, y).A {
					mask.SetAlpha(x, y, color.Alpha{A: a})
				}
			}
		}
	}
	draw.DrawMask(p.img, inside, image.NewUniform(c), image.Point{}, mask, inside.Min, draw.Over)
}

// distance from a point to the nearest place on the line.
func (l segment) distance(q point) float64 {
	dx, dy := l.b.x-l.a.x, l.b.y-l.a.y
	t := 0.0
	if long := dx*dx + dy*dy; long > 0 {
		t = min(1, max(0, ((q.x-l.a.x)*dx+(q.y-l.a.y)*dy)/long))
	}
	return math.Hypot(q.x-l.a.x-t*dx, q.y-l.a.y-t*dy)
}

// An anchor says which part of a text stands at its position, 0 the start, 0.5 the middle, 1 the end. The position is on the baseline.
const (
	start  = 0.0
	middle = 0.5
	end    = 1.0
)

func (p *pen) text(face font.Face, s string, x, y, anchor float64, c color.Color) {
	d := font.Drawer{Dst: p.img, Src: image.NewUniform(c), Face: face}
	d.Dot = fixed.Point26_6{X: fixed.Int26_6(math.Round(64 * (x - anchor*p.width(face, s)))), Y: fixed.Int26_6(math.Round(64 * y))}
	d.DrawString(s)
}

// width of a text in pixels.
func (p *pen) width(face font.Face, s string) float64 {
	return float64(font.MeasureString(face, s)) / 64
}

// fit cuts a text that is wider than room, and says so with an ellipsis.
func (p *pen) fit(face font.Face, s string, room float64) string {
	if p.width(face, s) <= room {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && p.width(face, string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
