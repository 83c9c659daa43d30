package windshear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
)

// An input is fields on arrays of files.
type input struct {
	grid                           Grid
	uUpper, uLower, vUpper, vLower component
	open                           map[string]opened
	timeRef                        string // of the time coordinate, whose attributes name the calendar
	files                          string // for headings
}

type opened struct {
	ndarray
	axes
}

// A component is one level of one array.
type component struct {
	opened
	level int
}

// openInput opens the arrays that the options name and finds the grid and the levels. open is the cache's Open. The caller closes the input.
func openInput(ctx context.Context, o Options, open opener) (*input, error) {
	in := &input{open: map[string]opened{}}
	separate := o.UUpper != ""
	var first string
	for _, c := range []struct {
		to    *component
		alone string // an array of this level
		ref   string // or an array with levels
		level float64
	}{
		{&in.uUpper, o.UUpper, o.U, o.Upper}, {&in.uLower, o.ULower, o.U, o.Lower},
		{&in.vUpper, o.VUpper, o.V, o.Upper}, {&in.vLower, o.VLower, o.V, o.Lower},
	} {
		ref := c.ref
		if separate {
			ref = c.alone
		}
		a, known := in.open[ref]
		if !known {
			array, err := open(ctx, ref)
			if err != nil {
				in.close()
				return nil, err
			}
			a = opened{ndarray: array}
			in.open[ref] = a
			if a.axes, err = findAxes(ctx, ref, array); err != nil {
				in.close()
				return nil, err
			}
			in.open[ref] = a
		}
		if !separate && a.axes.level < 0 {
			in.close()
			return nil, usageErrorf("%s has the dimensions %s: no level among them; give arrays of one level each with --u-upper, --u-lower, --v-upper and --v-lower", ref, shapeText(a.Dims(), a.Shape()))
		}
		level, err := a.levelIndex(ref, c.level, !separate)
		if err != nil {
			in.close()
			return nil, err
		}
		*c.to = component{a, level}
		if first == "" {
			first = ref
			in.grid = Grid{Times: a.times, TimeUnit: a.timeUnit, Lat: a.lats, Lon: a.lons}
			if a.axes.time >= 0 {
				in.timeRef = fileOf(ref) + "#" + a.Dims()[a.axes.time]
			}
		} else if err := in.grid.agrees(first, ref, a.axes); err != nil {
			in.close()
			return nil, err
		}
	}
	in.files = filesOf(o)
	return in, nil
}

// agrees checks that another array lies on the same grid.
func (g Grid) agrees(first, other string, x axes) error {
	for _, c := range []struct {
		what string
		a, b []float64
	}{{"times", g.Times, x.times}, {"latitudes", g.Lat, x.lats}, {"longitudes", g.Lon, x.lons}} {
		if len(c.a) != len(c.b) {
			return usageErrorf("%s has %d %s and %s has %d; the components must share one grid", first, len(c.a), c.what, other, len(c.b))
		}
		for i := range c.a {
			if math.Abs(c.a[i]-c.b[i]) > 1e-5*math.Max(1, math.Abs(c.a[i])) {
				return usageErrorf("the %s of %s and %s differ (%g and %g at index %d); the components must share one grid", c.what, first, other, c.a[i], c.b[i], i)
			}
		}
	}
	return nil
}

func (in *input) Grid() Grid { return in.grid }

func (in *input) Read(ctx context.Context, step int, win window, w winds) error {
	for _, c := range in.components(w) {
		start, count := c.from.box(step, c.from.level, win)
		if err := c.from.Read(ctx, start, count, c.buf); err != nil {
			return err
		}
	}
	return nil
}

func (in *input) Prefetch(ctx context.Context, step int, win window) error {
	for _, c := range in.components(winds{}) {
		start, count := c.from.box(step, c.from.level, win)
		if err := c.from.Prefetch(ctx, start, count); err != nil {
			return err
		}
	}
	return nil
}

type componentBuffer struct {
	from component
	buf  []float64
}

func (in *input) components(w winds) [4]componentBuffer {
	return [4]componentBuffer{{in.uUpper, w.uUpper}, {in.uLower, w.uLower}, {in.vUpper, w.vUpper}, {in.vLower, w.vLower}}
}

// findCalendar looks up the calendar of the times, which is an attribute of their coordinate. Without one it stays the standard calendar.
func (in *input) findCalendar(ctx context.Context, open opener) {
	if in.timeRef == "" || !strings.Contains(in.grid.TimeUnit, " since ") {
		return
	}
	if t, err := open(ctx, in.timeRef); err == nil {
		in.grid.Calendar, _ = t.Attrs()["calendar"].(string)
		t.Close()
	}
}

// close closes every array.
func (in *input) close() error {
	var errs []error
	for ref, a := range in.open {
		if err := a.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", ref, err))
		}
	}
	return errors.Join(errs...)
}

// fileOf is the part of a reference in front of the variable.
func fileOf(ref string) string {
	if i := strings.LastIndexByte(ref, '#'); i >= 0 && !strings.Contains(ref[i:], "/") {
		return ref[:i]
	}
	return ref
}

// filesOf lists the files of the input once each.
func filesOf(o Options) string {
	var files []string
	seen := map[string]bool{"": true}
	for _, ref := range []string{o.U, o.V, o.UUpper, o.ULower, o.VUpper, o.VLower} {
		if f := fileOf(ref); !seen[f] {
			seen[f] = true
			files = append(files, f)
		}
	}
	return strings.Join(files, ", ")
}
