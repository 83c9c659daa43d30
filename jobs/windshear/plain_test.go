package windshear

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"testing"
)

// plain is a NetCDF classic file read the plainest way: the whole file in memory, every variable decoded to float64 without looking at any attribute.
// It shares no code with package lram, so that the two can be compared.
type plain struct {
	dims map[string][]string
	size map[string][]int
	data map[string][]float64
}

func readPlain(t *testing.T, path string) plain {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := plain{map[string][]string{}, map[string][]int{}, map[string][]float64{}}
	at := 4
	wide := b[3] == 2
	u32 := func() int { at += 4; return int(binary.BigEndian.Uint32(b[at-4:])) }
	name := func() string { n := u32(); s := string(b[at : at+n]); at += (n + 3) &^ 3; return s }
	sizes := map[int]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}
	attributes := func() {
		u32()
		for n := u32(); n > 0; n-- {
			name()
			kind := u32()
			at += (u32()*sizes[kind] + 3) &^ 3
		}
	}
	records := u32()
	type dim struct {
		name string
		n    int
	}
	var dims []dim
	u32()
	for n := u32(); n > 0; n-- {
		d := dim{name(), u32()}
		if d.n == 0 {
			d.n = -1
		}
		dims = append(dims, d)
	}
	attributes()
	type variable struct {
		name        string
		kind, begin int
		record      bool
		vsize       int
	}
	var vars []variable
	stride := 0
	u32()
	for n := u32(); n > 0; n-- {
		v := variable{name: name()}
		for k := u32(); k > 0; k-- {
			d := dims[u32()]
			if d.n < 0 {
				d.n, v.record = records, true
			}
			p.dims[v.name], p.size[v.name] = append(p.dims[v.name], d.name), append(p.size[v.name], d.n)
		}
		attributes()
		v.kind, v.vsize = u32(), u32()
		if wide {
			u32()
		}
		v.begin = u32()
		if v.record {
			stride += v.vsize
		}
		vars = append(vars, v)
	}
	for _, v := range vars {
		total := 1
		for _, n := range p.size[v.name] {
			total *= n
		}
		per := total
		if v.record {
			per = total / records
		}
		for i := 0; i < total; i++ {
			x := b[v.begin+i/per*stride+i%per*sizes[v.kind]:]
			if !v.record {
				x = b[v.begin+i*sizes[v.kind]:]
			}
			var f float64
			switch v.kind {
			case 3:
				f = float64(int16(binary.BigEndian.Uint16(x)))
			case 4:
				f = float64(int32(binary.BigEndian.Uint32(x)))
			case 5:
				f = float64(math.Float32frombits(binary.BigEndian.Uint32(x)))
			case 6:
				f = math.Float64frombits(binary.BigEndian.Uint64(x))
			}
			p.data[v.name] = append(p.data[v.name], f)
		}
	}
	return p
}

// planes are the four components of a test's input in memory, each step x lat x lon, and count how they are read.
type planes struct {
	grid  Grid
	w     winds
	fail  int // the read that fails, counted from 1
	reads int
}

func (p *planes) Grid() Grid { return p.grid }

func (p *planes) Read(_ context.Context, step int, win window, w winds) error {
	p.reads++
	if p.reads == p.fail {
		return fmt.Errorf("storage fell over")
	}
	rows, cols := len(p.grid.Lat), len(p.grid.Lon)
	copyWindow := func(to, from []float64) {
		for i := 0; i < win.rows; i++ {
			copy(to[i*win.cols:(i+1)*win.cols], from[(step*rows+win.row+i)*cols+win.col:])
		}
	}
	copyWindow(w.uUpper, p.w.uUpper)
	copyWindow(w.uLower, p.w.uLower)
	copyWindow(w.vUpper, p.w.vUpper)
	copyWindow(w.vLower, p.w.vLower)
	return nil
}

func (p *planes) Prefetch(context.Context, int, window) error { return nil }

// gfs reads the embedded winds at 200 and 850 hPa.
func gfs(t *testing.T) *planes {
	p := readPlain(t, "data/gfs_uv_20111008.nc")
	const plane = 73 * 144
	level := func(name string, pascals float64) []float64 {
		for k, v := range p.data["plev"] {
			if v == pascals {
				return p.data[name][k*plane : (k+1)*plane]
			}
		}
		t.Fatalf("no level at %g Pa", pascals)
		return nil
	}
	return &planes{
		grid: Grid{Times: p.data["time"], TimeUnit: "hours since 2011-10-8 00:00:00", Lat: p.data["lat"], Lon: p.data["lon"]},
		w:    winds{level("u", 20000), level("u", 85000), level("v", 20000), level("v", 85000)},
	}
}

// storm reads the four storm files, missing values as NaN.
func storm(t *testing.T) *planes {
	component := func(file, name string) ([]float64, plain) {
		p := readPlain(t, "testdata/"+file)
		for i, v := range p.data[name] {
			if v == -9999 {
				p.data[name][i] = math.NaN()
			}
		}
		return p.data[name], p
	}
	u5, p := component("U500storm.cdf", "u")
	v5, _ := component("V500storm.cdf", "v")
	u, _ := component("Ustorm.cdf", "u")
	v, _ := component("Vstorm.cdf", "v")
	return &planes{
		grid: Grid{Times: p.data["timestep"], Lat: p.data["lat"], Lon: p.data["lon"]},
		w:    winds{u5, u, v5, v},
	}
}
