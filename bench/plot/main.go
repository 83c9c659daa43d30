// Command plot draws what `gridrun bench p2p --json` and `gridrun bench
// collectives --json` have measured: a picture for each test, with bytes to the
// right, the test's unit upwards, both logarithmic, and a line for each library.
//
//	gridrun bench p2p --json >p2p.json
//	go run ./bench/plot -out pictures p2p.json ...
//
// Plotting is a program of its own so that its library and fonts are no part of
// gridrun, which is also every rank of a built-in job.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"gridrun/bench/message"
)

func main() {
	out := flag.String("out", ".", "directory for the pictures")
	text := flag.Bool("text", false, "print the reports as tables instead")
	flag.Parse()
	do := func() error { return run(*out, flag.Args()) }
	if *text {
		do = func() error { return tables(os.Stdout, flag.Args()) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// run draws every test of every report that has several sizes.
func run(dir string, reports []string) error {
	if len(reports) == 0 {
		return errors.New("no report; name files that gridrun bench p2p --json or collectives --json has written")
	}
	for _, path := range reports {
		r, err := read(path)
		if err != nil {
			return err
		}
		for _, test := range testsOf(r) {
			p, err := draw(r, test)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", path, test, err)
			}
			if p == nil {
				continue
			}
			name := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", test, r.Over, r.Ranks))
			if err := p.Save(14*vg.Centimeter, 9*vg.Centimeter, name); err != nil {
				return err
			}
			fmt.Println(name)
		}
	}
	return nil
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

// draw makes the picture of a test, or nil when there is no line to draw.
func draw(r message.Report, test string) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s, %d ranks over %s", test, r.Ranks, r.Over)
	p.X.Label.Text = "bytes"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
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
