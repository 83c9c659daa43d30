// Command plot draws what `gridrun bench p2p --json` and `gridrun bench
// collectives --json` have measured: a picture for each test, with bytes to the
// right, the test's unit upwards, both logarithmic, and a line for each library.
//
//	gridrun bench p2p --json >p2p.json
//	go run ./bench/plot -out pictures p2p.json ...
//	go run ./bench/plot -merge a.json b.json >both.json
//
// A report may come in pieces: -merge puts those of the same ranks together, tests
// beside tests and rounds to rounds. -only names the pictures that are wanted.
//
// Plotting is a program of its own so that its library and fonts are no part of
// gridrun, which is also every rank of a built-in job.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"gridrun/bench/message"
)

func main() {
	out := flag.String("out", ".", "directory for the pictures")
	text := flag.Bool("text", false, "print the reports as tables instead")
	together := flag.Bool("merge", false, "print the reports as one, in JSON, instead")
	only := flag.String("only", "", "draw only these pictures: allreduce-shm-8,...")
	flag.Parse()
	var err error
	switch {
	case *text:
		err = tables(os.Stdout, flag.Args())
	case *together:
		err = merge(os.Stdout, flag.Args())
	default:
		err = run(*out, *only, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// run draws every test of every report that has several sizes, or those named only.
func run(dir, only string, reports []string) error {
	if len(reports) == 0 {
		return errors.New("no report; name files that gridrun bench p2p --json or collectives --json has written")
	}
	for _, path := range reports {
		r, err := read(path)
		if err != nil {
			return err
		}
		for _, test := range testsOf(r) {
			title := fmt.Sprintf("%s-%s-%d", test, r.Over, r.Ranks)
			if only != "" && !slices.Contains(strings.Split(only, ","), title) {
				continue
			}
			p, err := chart(r, test)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", path, test, err)
			}
			if p == nil {
				continue
			}
			name := filepath.Join(dir, title+".png")
			if err := save(p, name); err != nil {
				return err
			}
			fmt.Println(name)
		}
	}
	return nil
}

// save writes a picture with a palette: a quarter of the bytes of one without.
func save(p *plot.Plot, name string) error {
	canvas := vgimg.New(14*vg.Centimeter, 9*vg.Centimeter)
	p.Draw(vgdraw.New(canvas))
	full := canvas.Image()
	small := image.NewPaletted(full.Bounds(), palette())
	draw.Draw(small, small.Bounds(), full, full.Bounds().Min, draw.Src)
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	e := png.Encoder{CompressionLevel: png.BestCompression}
	return errors.Join(e.Encode(f, small), f.Close())
}

// palette has the colours and what lies between each and white, for smooth edges.
func palette() (p color.Palette) {
	const shades = 12
	for _, c := range append([]color.Color{color.Black}, colours...) {
		r, g, b, _ := c.RGBA()
		for i := range shades {
			mix := func(v uint32) uint8 { return uint8((int(v>>8)*(shades-i) + 255*i) / shades) }
			p = append(p, color.RGBA{mix(r), mix(g), mix(b), 255})
		}
	}
	return append(p, color.White)
}

// merge prints the reports as one.
func merge(w io.Writer, reports []string) error {
	var all []message.Report
	for _, path := range reports {
		r, err := read(path)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	r, err := message.Merge(all)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// tables prints every report as gridrun bench would have without --json.
func tables(w io.Writer, reports []string) error {
	for _, path := range reports {
		r, err := read(path)
		if err != nil {
			return err
		}
		r.Print(w)
	}
	return nil
}

func read(path string) (r message.Report, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is no report of gridrun bench: %w", path, err)
	}
	return r, nil
}

// testsOf are the names of a report's tests, in order.
func testsOf(r message.Report) (names []string) {
	for _, c := range r.Cases {
		if !slices.Contains(names, c.Test) {
			names = append(names, c.Test)
		}
	}
	return names
}

// Colours that are told apart also without red or green, and dashes for print.
var (
	colours = []color.Color{color.RGBA{0, 90, 181, 255}, color.RGBA{220, 50, 32, 255}, color.RGBA{110, 110, 110, 255}}
	dashes  = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}}
)

// chart makes the picture of a test, or nil when there is no line to draw.
func chart(r message.Report, test string) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s, %d ranks over %s", test, r.Ranks, r.Over)
	p.X.Label.Text = "bytes"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = sizes(r, test), plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Millimeter
	p.Title.Padding = vg.Millimeter
	drawn := false
	for i, name := range r.Names {
		var points plotter.XYs
		for _, c := range r.Cases {
			if c.Test == test && c.Bytes > 0 && i < len(c.Figures) && c.Figures[i].Value > 0 {
				points = append(points, plotter.XY{X: float64(c.Bytes), Y: c.Figures[i].Value})
				p.Y.Label.Text = c.Figures[i].Unit
			}
		}
		if len(points) < 2 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Dashes, line.Width = colours[i%len(colours)], dashes[i%len(dashes)], vg.Points(1.5)
		dots.Color = line.Color
		p.Add(line, dots)
		p.Legend.Add(name, line, dots)
		drawn = true
	}
	if !drawn {
		return nil, nil
	}
	p.Add(plotter.NewGrid())
	return p, nil
}

// sizes are the marks of the axis of bytes: what was measured, as --sizes writes it.
func sizes(r message.Report, test string) (marks plot.ConstantTicks) {
	for _, c := range r.Cases {
		if c.Test == test && c.Bytes > 0 {
			marks = append(marks, plot.Tick{Value: float64(c.Bytes), Label: sizeName(c.Bytes)})
		}
	}
	return marks
}

func sizeName(bytes int) string {
	for i, suffix := range []string{"G", "M", "K"} {
		if unit := 1 << (30 - 10*i); bytes%unit == 0 {
			return strconv.Itoa(bytes/unit) + suffix
		}
	}
	return strconv.Itoa(bytes)
}
