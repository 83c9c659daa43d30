package windshear

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"gridrun/collectives"
	"gridrun/lram"
	"gridrun/lram/store"
	"gridrun/rt"
)

// The winds stay in the executable's read-only data, which costs a process no memory until they are read.
//
//go:embed data/*.nc
var data embed.FS

// Data holds the files that the job brings along, by name.
func Data() fs.FS {
	files, err := fs.Sub(data, "data")
	if err != nil {
		return data // the pattern above guarantees the directory
	}
	return files
}

// Run is the job as a rank body; its arguments are w.Args().
func Run(ctx context.Context, w *rt.World) error { return run(ctx, w, w.Args(), openCache) }

// An opener gives access to an array by its reference.
type opener func(ctx context.Context, ref string) (ndarray, error)

// A reader is where arrays come from: the cache, or plain files in a test. Collective, other than the call that ends the reading.
type reader func(ctx context.Context, w *rt.World, o Options) (open opener, end func(ctx context.Context) error, err error)

func run(ctx context.Context, w *rt.World, args []string, read reader) error {
	o, err := parseArgs(args)
	if err != nil {
		return err
	}
	if o.Help {
		if w.Rank() == 0 {
			_, err = fmt.Fprint(w.Stdout(), usage())
		}
		return err
	}
	out, err := prepareOutput(ctx, w, o.Out)
	if err != nil {
		return err
	}
	if out != nil {
		defer out.discard()
	}
	open, end, err := read(ctx, w, o)
	if err != nil {
		return err
	}
	res, rep, err := compute(ctx, w, o, out, open)
	if closing := end(ctx); err == nil && closing != nil {
		err = fmt.Errorf("windshear: %w", closing)
	}
	if err != nil || w.Rank() != 0 {
		return err
	}
	return rep.publish(w.Stdout(), res)
}

// openCache joins the job's cache.
func openCache(ctx context.Context, w *rt.World, o Options) (opener, func(ctx context.Context) error, error) {
	cache, err := lram.New(ctx, w, lram.Config{Memory: o.Memory, Stores: store.Set{"builtin": Data()}})
	if err != nil {
		return nil, nil, fmt.Errorf("windshear: %w", err)
	}
	open := func(ctx context.Context, ref string) (ndarray, error) {
		d, err := cache.Open(ctx, ref)
		if err != nil {
			return nil, inputError(err)
		}
		return dataset{d}, nil
	}
	return open, cache.Close, nil
}

// prepareOutput opens --out on rank 0, before anything is computed, and tells all ranks whether that worked. Only rank 0 gets the output; it is nil without --out.
func prepareOutput(ctx context.Context, w *rt.World, dir string) (*output, error) {
	if dir == "" {
		return nil, nil
	}
	var out *output
	var failure error
	text := ""
	if w.Rank() == 0 {
		if out, failure = openOutput(dir); failure != nil {
			text = failure.Error()
		}
	}
	text, err := collectives.BcastValue(ctx, w, 0, text)
	switch {
	case failure != nil:
		return nil, failure
	case err != nil:
		if out != nil {
			out.discard()
		}
		return nil, err
	case text != "":
		return nil, errors.New(text)
	}
	return out, nil
}

// dataset is an array of the cache as this package sees it.
type dataset struct{ *lram.Dataset }

func (d dataset) Read(ctx context.Context, start, count []int, buf []float64) error {
	n, err := lram.Read(ctx, d.Dataset, start, count, buf)
	if err == nil && n != len(buf) {
		err = fmt.Errorf("%d values arrived instead of %d", n, len(buf))
	}
	return err
}

// compute opens the input, shares the pieces out and gathers their results on rank 0.
func compute(ctx context.Context, w *rt.World, o Options, out *output, open opener) (*Results, *report, error) {
	in, err := openInput(ctx, o, open)
	if err != nil {
		return nil, nil, err
	}
	defer in.close()
	c, err := newComputation(in, o.Boxes, o.boxesNamed, o.Out != "")
	if err != nil {
		return nil, nil, err
	}
	// Every rank uses rank 0's cosines: on another architecture the last digit may differ.
	if err := collectives.Bcast(ctx, w, 0, c.weights); err != nil {
		return nil, nil, err
	}
	var rep *report
	var res *Results
	if w.Rank() == 0 {
		in.findCalendar(ctx, open)
		c.grid = in.grid
		res = &Results{Grid: c.grid, Regions: c.regions}
		if rep, err = newReport(in, o, out); err != nil {
			return nil, nil, err
		}
	}
	if err := c.run(ctx, w, res, rep); err != nil {
		return nil, nil, err
	}
	if rep != nil {
		err = rep.finishField()
	}
	return res, rep, err
}

// run works through the time steps batch by batch.
func (c *computation) run(ctx context.Context, w *rt.World, res *Results, rep *report) error {
	bands := len(c.plan.bands)
	batch := batchSteps(c.plan.steps, c.stepBytes())
	pieces := func(first int) int { return bands * min(batch, c.plan.steps-first) }
	total := int64(bands) * int64(c.plan.steps)
	hint := func(first int) {
		if first < c.plan.steps {
			lo, hi := share(pieces(first), w.Rank(), w.Size())
			c.prefetch(ctx, first, lo, hi)
		}
	}
	hint(0)
	for first := 0; first < c.plan.steps; first += batch {
		hint(first + batch)
		n := pieces(first)
		lo, hi := share(n, w.Rank(), w.Size())
		before, mine := int64(first)*int64(bands), 0
		sums, kept, err := c.work(ctx, first, lo, hi, func() {
			// Rank 0 speaks for all: the others are about as far with their shares.
			if mine++; w.Rank() == 0 {
				w.Progress(before+int64(n)*int64(mine)/int64(hi-lo+1), total, "wind shear")
			}
		})
		if err != nil {
			return fmt.Errorf("windshear: %w", err)
		}
		if sums, err = gather(ctx, w, n, sums, func(lo, hi int) int { return (hi - lo) * len(c.regions) }); err != nil {
			return err
		}
		if c.keep {
			if kept, err = gather(ctx, w, n, kept, c.points); err != nil {
				return err
			}
		}
		if w.Rank() != 0 {
			continue
		}
		res.fold(bands, sums, kept)
		if err := rep.appendField(c.grid.Times[first:], kept); err != nil {
			return err
		}
		w.Progress(before+int64(n), total, "wind shear")
	}
	return nil
}

// gather brings what the ranks have for the n pieces of a batch to rank 0, in the order of the pieces. elements tells how many elements the pieces [lo, hi) have.
func gather[T any](ctx context.Context, w *rt.World, n int, x []T, elements func(lo, hi int) int) ([]T, error) {
	counts, total := make([]int, w.Size()), 0
	for r := range counts {
		lo, hi := share(n, r, w.Size())
		counts[r] = elements(lo, hi)
		total += counts[r]
	}
	var all []T
	if w.Rank() == 0 {
		all = make([]T, total)
	}
	return all, collectives.GatherV(ctx, w, 0, x, all, counts)
}
