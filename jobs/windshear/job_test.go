package windshear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/needs"
	"gridrun/rt"
)

// plainReader serves arrays from memory, without a cache: "gfs.nc#u" and the storm files by their names.
func plainReader(t *testing.T) reader {
	var mu sync.Mutex
	arrays := map[string]ndarray{}
	open := func(_ context.Context, ref string) (ndarray, error) {
		mu.Lock()
		defer mu.Unlock()
		if a, ok := arrays[ref]; ok {
			return a, nil
		}
		file, name, _ := strings.Cut(ref, "#")
		path := "testdata/" + file
		if ref := strings.TrimPrefix(file, "builtin:"); ref != file {
			path = "data/" + ref
		}
		p := readPlain(t, path)
		a := &memArray{dims: p.dims[name], shape: p.size[name], coords: map[string][]float64{}, units: map[string]string{"time": "hours since 2011-10-8 00:00:00", "plev": "Pa"}, data: p.data[name]}
		for _, d := range a.dims {
			a.coords[d] = p.data[d]
		}
		for i, v := range a.data {
			if v == -9999 {
				a.data[i] = math.NaN()
			}
		}
		arrays[ref] = a
		return a, nil
	}
	return func(context.Context, *rt.World, Options) (opener, func(context.Context) error, error) {
		return open, func(context.Context) error { return nil }, nil
	}
}

var stormArgs = []string{"--u-upper=U500storm.cdf#u", "--v-upper=V500storm.cdf#v", "--u-lower=Ustorm.cdf#u", "--v-lower=Vstorm.cdf#v"}

func runJob(t *testing.T, ranks int, read reader, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return rt.Run(ctx, ranks, func(ctx context.Context, w *rt.World) error { return run(ctx, w, args, read) })
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestJobWritesTheSameForEverySize runs the whole job and compares its files byte by byte.
func TestJobWritesTheSameForEverySize(t *testing.T) {
	for name, args := range map[string][]string{"gfs": nil, "storm": append([]string{"--box=-180,180,-90,90", "--box", "plains=110W,90W,30N,50N"}, stormArgs...)} {
		root, read := t.TempDir(), plainReader(t)
		for _, ranks := range []int{1, 93} {
			dir := filepath.Join(root, fmt.Sprint(ranks))
			if err := runJob(t, ranks, read, append([]string{"--out", dir}, args...)...); err != nil {
				t.Fatalf("%s with %d ranks: %v", name, ranks, err)
			}
			if got := listing(t, dir); got != "series.csv shear.nc shear.png summary.json" {
				t.Fatalf("%s with %d ranks wrote %s", name, ranks, got)
			}
			for _, file := range []string{"summary.json", "series.csv", "shear.nc", "shear.png"} {
				if content(t, dir, file) != content(t, root, "1", file) {
					t.Errorf("%s with %d ranks: %s differs from that of one rank", name, ranks, file)
				}
			}
		}
	}
}

// TestNcdumpReadsTheField has the reader of reference look at shear.nc.
func TestNcdumpReadsTheField(t *testing.T) {
	ncdump := needs.Command(t, "ncdump", "netcdf-bin")
	dir := t.TempDir()
	if err := runJob(t, 3, plainReader(t), append([]string{"--out", dir}, stormArgs...)...); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ncdump, filepath.Join(dir, "shear.nc")).CombinedOutput()
	if err != nil {
		t.Fatalf("ncdump: %v\n%s", err, out)
	}
	for _, want := range []string{"time = UNLIMITED ; // (64 currently)", "float shear(time, lat, lon)", `shear:units = "m s-1"`, " 378 ;", "_, _, _"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("ncdump's text has no %q", want)
		}
	}
}

func TestJobRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"flag", "did you mean --box?", 2, []string{"--boxx=1,2,3,4"}},
		{"level", "no level at 123 hPa", 2, []string{"--upper=123"}},
		{"box", "holds no grid point", 2, append([]string{"--box=0,10,0,10"}, stormArgs...)},
		{"out is a file", "--out names a directory", 0, []string{"--out", file}},
	} {
		for _, ranks := range []int{1, 93} {
			err := runJob(t, ranks, plainReader(t), tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s with %d ranks: %v", tc.name, ranks, err)
			}
			var coded interface{ ExitCode() int }
			if errors.As(err, &coded) != (tc.code != 0) || tc.code != 0 && coded.ExitCode() != tc.code {
				t.Errorf("%s with %d ranks: exit code of %v", tc.name, ranks, err)
			}
		}
	}
	if content(t, file) != "" {
		t.Error("the file in the way was touched")
	}
}

// failing makes every read of an array fail from the n-th on.
type failing struct {
	ndarray
	mu   *sync.Mutex
	left *int
}

func (f failing) Read(ctx context.Context, start, count []int, buf []float64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.left--; *f.left < 0 {
		return errors.New("the file ends early")
	}
	return f.ndarray.Read(ctx, start, count, buf)
}

// TestFailedJobLeavesNothing lets storage fail at different places and looks at what is left.
func TestFailedJobLeavesNothing(t *testing.T) {
	for _, after := range []int{0, 1, 100, 291} {
		plain := plainReader(t)
		left, mu := after, &sync.Mutex{}
		read := func(ctx context.Context, w *rt.World, o Options) (opener, func(context.Context) error, error) {
			open, end, err := plain(ctx, w, o)
			return func(ctx context.Context, ref string) (ndarray, error) {
				a, err := open(ctx, ref)
				return failing{a, mu, &left}, err
			}, end, err
		}
		root := t.TempDir()
		err := runJob(t, 5, read, "--out", filepath.Join(root, "new", "dir"))
		if err == nil || !strings.Contains(err.Error(), "the file ends early") {
			t.Errorf("after %d reads: %v", after, err)
		}
		if got := listing(t, root); got != "" {
			t.Errorf("after %d reads: %s is left", after, got)
		}
	}
}

func TestHelp(t *testing.T) {
	if err := runJob(t, 3, nil, "--help"); err != nil {
		t.Error(err)
	}
}
