package kernels

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
	"unsafe"

	"gridrun/bench"
	"gridrun/collectives"
)

// A kernel folds buffers of its type.
type kernel struct {
	op, typ string
	fold    func(dst, src []byte)
}

func of[T any](op string, f collectives.Op[T]) kernel {
	view := func(b []byte) []T {
		var zero T
		return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(zero)))
	}
	name := reflect.TypeFor[T]().Name()
	return kernel{op, name, func(dst, src []byte) { f(view(dst), view(src)) }}
}

func real[T collectives.Real]() []kernel {
	return append(number[T](), of("Min", collectives.Min[T]), of("Max", collectives.Max[T]))
}

func number[T collectives.Number]() []kernel {
	return []kernel{of("Sum", collectives.Sum[T]), of("Prod", collectives.Prod[T])}
}

func integer[T collectives.Integer]() []kernel {
	return append(real[T](), of("BitAnd", collectives.BitAnd[T]), of("BitOr", collectives.BitOr[T]), of("BitXor", collectives.BitXor[T]))
}

func all() []kernel {
	locs := []kernel{of("MinLoc", collectives.MinLoc[float64]), of("MaxLoc", collectives.MaxLoc[float64])}
	for i := range locs {
		locs[i].typ = "Loc[float64]"
	}
	return slices.Concat(
		real[float64](), real[float32](), number[complex128](), number[complex64](),
		integer[int64](), integer[int32](), integer[int16](), integer[int8](),
		integer[uint64](), integer[uint32](), integer[uint16](), integer[uint8](),
		[]kernel{of("And", collectives.And), of("Or", collectives.Or)}, locs)
}

// A Row is one kernel's bandwidth, in bytes of one buffer a nanosecond, at each of
// the report's lengths.
type Row struct {
	Op        string    `json:"op"`
	Type      string    `json:"type"`
	Bandwidth []float64 `json:"gb_per_s"`
	Ratio     []float64 `json:"of_limit"`
	Allocs    float64   `json:"allocations"` // a call
}

// A Report has the kernels of every type.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Bytes   []int         `json:"bytes"`
	Copy    []float64     `json:"copy_gb_per_s"`
	Limit   []float64     `json:"limit_gb_per_s"`
	Rounds  int           `json:"rounds"`
	Rows    []Row         `json:"rows"`
}

// copyEach is how many kernels are measured between copies: what else uses memory
// comes and goes.
const copyEach = 8

// inCache is the most bytes of a buffer for which the limit is a copy's bandwidth.
const inCache = 256 << 10

// Measure runs all kernels on buffers of these lengths, each about budget long in
// every round.
func Measure(ctx context.Context, lengths []int, rounds int, budget time.Duration) (Report, error) {
	r := Report{Machine: bench.ThisMachine(), Bytes: lengths, Rounds: rounds}
	list := all()
	for _, k := range list {
		r.Rows = append(r.Rows, Row{Op: k.op, Type: k.typ, Bandwidth: make([]float64, len(lengths)), Ratio: make([]float64, len(lengths))})
	}
	for i, n := range lengths {
		dst, src := make([]byte, n), make([]byte, n)
		for round := range rounds {
			if ctx.Err() != nil {
				return r, context.Cause(ctx)
			}
			if round == 0 {
				r.Copy = append(r.Copy, 0)
			}
			for j, k := range list {
				if ctx.Err() != nil {
					return r, context.Cause(ctx)
				}
				if j%copyEach == 0 {
					fill(dst, src)
					r.Copy[i] = max(r.Copy[i], bandwidth(func() { copy(dst, src) }, n, budget))
				}
				fill(dst, src)
				r.Rows[j].Bandwidth[i] = max(r.Rows[j].Bandwidth[i], bandwidth(func() { k.fold(dst, src) }, n, budget))
			}
		}
		limit := r.Copy[i]
		if n > inCache {
			limit *= 2. / 3
		}
		r.Limit = append(r.Limit, limit)
		for j := range r.Rows {
			r.Rows[j].Ratio[i] = r.Rows[j].Bandwidth[i] / limit
			if i == 0 {
				r.Rows[j].Allocs = allocations(func() { list[j].fold(dst, src) })
			}
		}
	}
	return r, nil
}

// fill makes both buffers hold bools, small integers and finite floats, in memory
// of their own.
func fill(dst, src []byte) {
	clear(dst)
	clear(src)
	for i := range src {
		dst[i], src[i] = byte(i&1), byte(i>>1&1)
	}
}

// bandwidth calls f for about budget and returns bytes a nanosecond, of the best
// call: of a few where they are short.
func bandwidth(f func(), n int, budget time.Duration) (best float64) {
	f()
	calls := max(1, 64<<10/max(n, 1))
	for end := time.Now().Add(budget); ; {
		began := time.Now()
		for range calls {
			f()
		}
		took := time.Since(began)
		best = max(best, float64(n*calls)/float64(max(took, 1)))
		if time.Now().After(end) {
			return best
		}
	}
}

func allocations(f func()) float64 {
	const calls = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / calls
}

// Print writes the report as a table, the slowest at the largest length last.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "folds of n bytes into n bytes, GB/s of one buffer, best of %d rounds; in brackets the part of the limit\n%v\n", r.Rounds, r.Machine)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "type\toperation\t")
	for _, n := range r.Bytes {
		fmt.Fprintf(t, "%d KiB\t", n>>10)
	}
	fmt.Fprintln(t, "allocations\t")
	for _, line := range []struct {
		name   string
		speeds []float64
	}{{"copy", r.Copy}, {"limit", r.Limit}} {
		fmt.Fprintf(t, "\t%s\t", line.name)
		for _, s := range line.speeds {
			fmt.Fprintf(t, "%.1f\t", s)
		}
		fmt.Fprintln(t, "\t")
	}
	last := len(r.Bytes) - 1
	rows := slices.Clone(r.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(b.Ratio[last], a.Ratio[last]) })
	for _, row := range rows {
		fmt.Fprintf(t, "%s\t%s\t", row.Type, row.Op)
		for i := range r.Bytes {
			fmt.Fprintf(t, "%.1f (%.2f)\t", row.Bandwidth[i], row.Ratio[i])
		}
		fmt.Fprintf(t, "%.1f\t\n", row.Allocs)
	}
	t.Flush()
}
