package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gridrun/rt"
)

// state is what each rank of these tests saves.
type state struct {
	x    []float64
	ids  []int32
	note map[string]int
}

func (s *state) vars() []Var {
	return []Var{Slice("x", &s.x), Slice("ids", &s.ids), Value("note", &s.note)}
}

func stateOf(rank int, step int64) *state {
	s := &state{x: make([]float64, 1000*rank), note: map[string]int{"rank": rank, "step": int(step)}}
	for i := range s.x {
		s.x[i] = float64(i) + float64(step)/8
	}
	for i := range rank {
		s.ids = append(s.ids, int32(i)-int32(step))
	}
	return s
}

func (s *state) check(rank int, step int64) error {
	want := stateOf(rank, step)
	if len(s.x) != len(want.x) || len(s.ids) != len(want.ids) || s.note["rank"] != rank || s.note["step"] != int(step) {
		return fmt.Errorf("rank %d: %d and %d elements, %v, for step %d", rank, len(s.x), len(s.ids), s.note, step)
	}
	for i := range s.x {
		if s.x[i] != want.x[i] {
			return fmt.Errorf("rank %d: x[%d] is %v", rank, i, s.x[i])
		}
	}
	return nil
}

// each runs f on n ranks and fails the test when one returns an error.
func each(t *testing.T, n int, f rt.Body) {
	t.Helper()
	if err := rt.Run(context.Background(), n, f); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, s Store, n int, step int64) {
	t.Helper()
	each(t, n, func(ctx context.Context, w *rt.World) error {
		return s.Save(ctx, w, step, stateOf(w.Rank(), step).vars()...)
	})
}

// load loads and checks on n ranks and returns the step, the same on all.
func load(t *testing.T, s Store, n int) (step int64, err error) {
	t.Helper()
	steps, errs := make([]int64, n), make([]error, n)
	each(t, n, func(ctx context.Context, w *rt.World) error {
		var got state
		r := w.Rank()
		if steps[r], errs[r] = s.Load(ctx, w, got.vars()...); errs[r] == nil {
			return got.check(r, steps[r])
		}
		if got.x != nil || got.note != nil {
			return errors.New("a failed Load has set something")
		}
		return nil
	})
	for r := range n {
		if steps[r] != steps[0] || (errs[r] == nil) != (errs[0] == nil) || errs[r] != nil && errs[r].Error() != errs[0].Error() {
			t.Fatalf("rank 0 got %d, %v; rank %d got %d, %v", steps[0], errs[0], r, steps[r], errs[r])
		}
	}
	return steps[0], errs[0]
}

func TestSaveAndLoad(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		s := Store{Dir: filepath.Join(t.TempDir(), "not", "yet", "there")}
		if _, err := load(t, s, n); !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
		for step := range int64(5) {
			save(t, s, n, step*10)
			if got, err := load(t, s, n); err != nil || got != step*10 {
				t.Fatalf("step %d: %d, %v", step*10, got, err)
			}
		}
		save(t, s, n, 40) // again: the later one counts
		dirs, err := s.stepDirs()
		if err != nil || len(dirs) != 2 {
			t.Fatalf("%d steps are kept: %v (%v)", len(dirs), dirs, err)
		}
	}
}

// What has just been saved is there, whatever greater steps are: when the newest
// is damaged, the job goes on from the one before.
func TestSaveBehindDamage(t *testing.T) {
	s := Store{Dir: t.TempDir(), Keep: 1}
	save(t, s, 2, 40)
	dirs, err := s.stepDirs()
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	if err := os.WriteFile(partPath(dirs[0], 1), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int64{35, 36} {
		save(t, s, 2, step)
		if got, err := load(t, s, 2); err != nil || got != step {
			t.Fatalf("%d, %v, want %d", got, err, step)
		}
	}
}

// Another number of ranks is told so, and reads by part.
func TestOtherNumberOfRanks(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	save(t, s, 3, 7)
	if _, err := load(t, s, 2); !errors.Is(err, ErrRanks) || !strings.Contains(err.Error(), "step 7 by 3 ranks, the group has 2") {
		t.Fatal(err)
	}
	snap, err := s.Open()
	if err != nil || snap.Step() != 7 || snap.Parts() != 3 {
		t.Fatalf("%+v, %v", snap, err)
	}
	for r := range 3 {
		var got state
		if err := snap.Read(r, got.vars()...); err != nil {
			t.Fatal(err)
		}
		if err := got.check(r, 7); err != nil {
			t.Fatal(err)
		}
	}
	var got state
	if err := snap.Read(3, got.vars()...); err == nil || !strings.Contains(err.Error(), "parts 0 to 2") {
		t.Fatal(err)
	}
}

func TestWrongVariables(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	save(t, s, 2, 1)
	var ints []int64
	var x []float64
	for want, v := range map[string][]Var{
		`variable "x" was saved as float64, it is int64`: {Slice("x", &ints)},
		`no variable "y" was saved`:                      {Slice("x", &x), Slice("y", &x)},
	} {
		each(t, 2, func(ctx context.Context, w *rt.World) error {
			if _, err := s.Load(ctx, w, v...); err == nil || !strings.Contains(err.Error(), want) {
				return fmt.Errorf("%v, want %q", err, want)
			}
			return nil
		})
	}
	each(t, 1, func(ctx context.Context, w *rt.World) error {
		var p []*int
		for want, v := range map[string][]Var{"two variables": {Slice("x", &x), Slice("x", &x)}, "pointer": {Slice("p", &p)}} {
			if err := s.Save(ctx, w, 2, v...); err == nil || !strings.Contains(err.Error(), want) {
				return fmt.Errorf("%v, want %q", err, want)
			}
		}
		return nil
	})
}

// newest is the directory of the newest step.
func newest(t *testing.T, s Store) string {
	t.Helper()
	dirs, err := s.stepDirs()
	if err != nil || len(dirs) == 0 {
		t.Fatal(err)
	}
	return dirs[len(dirs)-1]
}

// Whatever happens to the newest step's files, Load has the one before.
func TestDamage(t *testing.T) {
	for _, file := range []string{"complete", "part-00000", "part-00002"} {
		for name, harm := range map[string]func(path string, b []byte) error{
			"gone":      func(path string, _ []byte) error { return os.Remove(path) },
			"empty":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o666) },
			"torn":      func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o666) },
			"one byte":  func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)-1], 0o666) },
			"bit first": func(path string, b []byte) error { b[0] ^= 1; return os.WriteFile(path, b, 0o666) },
			"bit mid":   func(path string, b []byte) error { b[len(b)/2] ^= 16; return os.WriteFile(path, b, 0o666) },
			"bit last":  func(path string, b []byte) error { b[len(b)-1] ^= 128; return os.WriteFile(path, b, 0o666) },
			"longer":    func(path string, b []byte) error { return os.WriteFile(path, append(b, 0), 0o666) },
			"swapped": func(path string, _ []byte) error {
				b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "part-00001"))
				return errors.Join(err, os.WriteFile(path, b, 0o666))
			},
		} {
			t.Run(file+"/"+name, func(t *testing.T) {
				var mu sync.Mutex
				var warned []error
				s := Store{Dir: t.TempDir(), Warn: func(err error) { mu.Lock(); warned = append(warned, err); mu.Unlock() }}
				save(t, s, 3, 1)
				save(t, s, 3, 2)
				path := filepath.Join(newest(t, s), file)
				b, err := os.ReadFile(path)
				if err == nil {
					err = harm(path, b)
				}
				if err != nil {
					t.Fatal(err)
				}
				if step, err := load(t, s, 3); err != nil || step != 1 {
					t.Fatalf("%d, %v", step, err)
				}
				if len(warned) == 0 && !(file == "complete" && name == "gone") {
					t.Error("nobody was warned")
				}
			})
		}
	}
}

// A directory that hosts do not share is noticed: here rank 1 writes elsewhere.
func TestNotShared(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	stores := []Store{{Dir: a}, {Dir: a, disk: elsewhere{realDisk{}, a, b}}}
	each(t, 2, func(ctx context.Context, w *rt.World) error {
		err := stores[w.Rank()].Save(ctx, w, 1, stateOf(w.Rank(), 1).vars()...)
		if err == nil || !strings.Contains(err.Error(), "rank 0") || !strings.Contains(err.Error(), "rank 1 has written") {
			return fmt.Errorf("saved: %v", err)
		}
		return nil
	})
	save(t, Store{Dir: a}, 2, 3)
	each(t, 2, func(ctx context.Context, w *rt.World) error {
		var got state
		_, err := stores[w.Rank()].Load(ctx, w, got.vars()...)
		if err == nil || !strings.Contains(err.Error(), "rank 1 on host") || !strings.Contains(err.Error(), "all hosts share") {
			return fmt.Errorf("loaded: %v", err)
		}
		return nil
	})
	save(t, Store{Dir: b}, 2, 3)
	os.RemoveAll(a)
	each(t, 2, func(ctx context.Context, w *rt.World) error {
		var got state
		_, err := stores[w.Rank()].Load(ctx, w, got.vars()...)
		if err == nil || !strings.Contains(err.Error(), "rank 0 on host") || !strings.Contains(err.Error(), "rank 1 on host") {
			return fmt.Errorf("loaded from nothing: %v", err)
		}
		return nil
	})
}

// elsewhere is a disk on which from is another directory.
type elsewhere struct {
	realDisk
	from, to string
}

func (e elsewhere) there(path string) string { return strings.Replace(path, e.from, e.to, 1) }
func (e elsewhere) write(path string, data []byte) error {
	os.MkdirAll(filepath.Dir(e.there(path)), 0o777)
	return e.realDisk.write(e.there(path), data)
}
func (e elsewhere) rename(from, to string) error {
	return e.realDisk.rename(e.there(from), e.there(to))
}
func (e elsewhere) syncDir(dir string) error { return e.realDisk.syncDir(e.there(dir)) }
func (e elsewhere) read(path string) ([]byte, error) {
	return e.realDisk.read(e.there(path))
}
func (e elsewhere) list(dir string) ([]string, error) {
	names, err := e.realDisk.list(e.there(dir))
	return names, err
}
