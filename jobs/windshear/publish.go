package windshear

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"gridrun/jobs/windshear/chart"
	"gridrun/lram"
)

// A report is what rank 0 makes of the results: the table and, with --out, the files.
type report struct {
	files, levels string
	nc            *ncFile // nil without --out
	out           *output
}

// newReport starts shear.nc, which is written while the computation runs.
func newReport(in *input, o Options, out *output) (*report, error) {
	r := &report{files: in.files, levels: "upper minus lower level", out: out}
	if o.levelsNamed || o.UUpper == "" {
		r.levels = fmt.Sprintf("%g minus %g hPa", o.Upper, o.Lower)
	}
	if out == nil {
		return r, nil
	}
	f, err := out.create("shear.nc")
	if err != nil {
		return nil, err
	}
	if r.nc, err = createNC(f, in.grid, "Vertical wind shear", r.files, r.levels); err != nil {
		return nil, outputError(out.dir, err)
	}
	return r, nil
}

// appendField adds the shear of whole time steps to shear.nc.
func (r *report) appendField(times []float64, values []float32) error {
	if r.nc == nil || len(values) == 0 {
		return nil
	}
	per := r.nc.points
	for i := 0; i*per < len(values); i++ {
		if err := r.nc.append(times[i], values[i*per:(i+1)*per]); err != nil {
			return outputError(r.out.dir, err)
		}
	}
	return nil
}

func (r *report) finishField() error {
	if r.nc == nil {
		return nil
	}
	if err := r.nc.finish(); err != nil {
		return outputError(r.out.dir, err)
	}
	return nil
}

// publish writes the other files, gives all of them their names, and prints the table.
func (r *report) publish(stdout io.Writer, res *Results) error {
	summary, out := res.summary(), r.out
	if out != nil {
		for _, file := range []struct {
			name  string
			write func(w io.Writer) error
		}{
			{"summary.json", func(w io.Writer) error { return writeJSON(w, summary) }},
			{"series.csv", func(w io.Writer) error { return writeSeries(w, res) }},
			{"shear.png", func(w io.Writer) error { return r.picture(res).WritePNG(w) }},
		} {
			var b bytes.Buffer
			if err := file.write(&b); err != nil {
				return fmt.Errorf("windshear: %s: %w", file.name, err)
			}
			if err := out.write(file.name, b.Bytes()); err != nil {
				return err
			}
		}
		if err := out.commit(); err != nil {
			return err
		}
	}
	heading := []string{
		"Vertical wind shear, " + r.levels + ", in m/s",
		fmt.Sprintf("%s: %d x %d points, %s", r.files, len(res.Grid.Lat), len(res.Grid.Lon), period(res.Grid)),
	}
	if err := writeTable(stdout, heading, res.Regions, summary); err != nil {
		return fmt.Errorf("windshear: %w", err)
	}
	if out != nil {
		if _, err := fmt.Fprintf(stdout, "\nsummary.json, series.csv, shear.nc and shear.png are in %s\n", out.dir); err != nil {
			return fmt.Errorf("windshear: %w", err)
		}
	}
	return nil
}

// picture is the map of the mean over time.
func (r *report) picture(res *Results) chart.Map {
	m := chart.Map{
		Lat: res.Grid.Lat, Lon: res.Grid.Lon, Values: res.meanMap(),
		Title: "Vertical wind shear, " + r.levels, Unit: "m/s", Contour: thresholds[0],
	}
	var names []string
	for _, f := range strings.Split(r.files, ", ") {
		names = append(names, path.Base(f))
	}
	m.Subtitle = period(res.Grid) + "  ·  " + strings.Join(names, ", ")
	if len(res.Grid.Times) > 1 {
		m.Title = "Mean vertical" + strings.TrimPrefix(m.Title, "Vertical")
	}
	for _, region := range res.Regions {
		m.Boxes = append(m.Boxes, chart.Box(region.Box))
	}
	return m
}

// period tells which times the grid has.
func period(g Grid) string {
	label := func(i int) string {
		text := g.timeLabel(i)
		if day, clock, ok := strings.Cut(text, "T"); ok {
			return day + " " + strings.TrimSuffix(strings.TrimSuffix(clock, "Z"), ":00") + " UTC"
		}
		return text
	}
	if n := len(g.Times); n > 1 {
		return fmt.Sprintf("%d time steps from %s to %s", n, label(0), label(n-1))
	}
	if strings.Contains(label(0), "UTC") {
		return label(0)
	}
	return "one time step"
}

// inputError makes a mistake of the user's out of errors about what the user named: a file that is not there, or a variable that it does not have.
func inputError(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, lram.ErrNoVariable) {
		return usageErrorf("%v", err)
	}
	return fmt.Errorf("windshear: %w", err)
}
