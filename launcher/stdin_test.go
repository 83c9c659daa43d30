package launcher

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"gridrun/internal/wire"
)

// input returns the next input, which may have been offered before.
func (a *fakeAgent) input() (m *wire.Input, ok bool) {
	next := a.hear()
	if _, offered := next.(*wire.Offer); offered {
		next = a.hear()
	}
	m, ok = next.(*wire.Input)
	return m, ok
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestRunWithoutInput: nobody waits for input that will never come, as after a
// restart; and a run that cannot begin leaves the input alone.
func TestRunWithoutInput(t *testing.T) {
	runFake(t, jobOf(t, 2, nil), &fake{play: func(a *fakeAgent) {
		if a.start.Procs[0].Stdin {
			t.Error("rank 0 gets an input that there is not")
		}
		a.ready()
		a.finish(wire.Exit{})
	}}, nil)

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	dir := t.TempDir()
	got := runFake(t, jobOf(t, 2, func(s *Spec) {
		s.OutputDir = dir
		s.Observe.StatsFile = dir // a directory
	}), &fake{}, func(io *IO) { io.Stdin = r })
	if got.code != CodeRefused || !strings.Contains(got.errOut, "--stats-file: ") {
		t.Errorf("%+v", got)
	}
}

func TestRunInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.WriteString(w, "0123456789")
	var taken []byte
	got := runFake(t, jobOf(t, 2, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Want{Proc: 1, N: 100}) // not rank 0: gets nothing
		a.say(&wire.Want{Proc: 0, N: 4})
		for len(taken) < 4 {
			m, ok := a.input()
			if !ok || m.Proc != 0 {
				t.Errorf("heard %+v, want Input", m)
				break
			}
			taken = append(taken, m.Data...)
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
	left := make([]byte, 10)
	n, _ := r.Read(left)
	if got.code != 0 || string(taken) != "0123" || string(left[:n]) != "456789" {
		t.Errorf("taken %q, left %q, code %d", taken, left[:n], got.code)
	}

	w.Close() // the end of input travels too
	runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		a.say(&wire.Want{Proc: 0, N: 4})
		if m, ok := a.input(); !ok || len(m.Data) != 0 {
			t.Errorf("heard %+v, want the end of input", m)
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
}

// TestRunInputOfAll: everybody gets all, at its own pace; who stops does not
// hold up the others.
func TestRunInputOfAll(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := bytes.Repeat([]byte("0123456789abcde\n"), 8<<10)
	go func() {
		w.Write(text)
		w.Close()
	}()
	got := runFake(t, jobOf(t, 4, func(s *Spec) { s.Stdin = "all" }), &fake{play: func(a *fakeAgent) {
		a.ready()
		taken := make([][]byte, 4)
		ends := 0
		// 0 takes all at once, 1 by single reads, 2 only when 0 has got all, 3 stops.
		a.say(&wire.Want{Proc: 0, N: 1 << 20})
		for ends < 3 {
			switch m := a.hear().(type) {
			case *wire.Offer:
				switch m.Proc {
				case 1:
					a.say(&wire.Want{Proc: 1, N: 5000, Once: true})
				case 3:
					if len(taken[3]) == 0 {
						a.say(&wire.Want{Proc: 3, N: 10, Once: true})
					} else {
						a.say(&wire.Want{Proc: 3, End: true})
					}
				}
			case *wire.Input:
				if taken[m.Proc] = append(taken[m.Proc], m.Data...); len(m.Data) > 0 {
					continue
				}
				if ends++; m.Proc == 0 {
					a.say(&wire.Want{Proc: 2, N: 1 << 20})
				}
			default:
				t.Errorf("heard %T", m)
				return
			}
		}
		for p, size := range []int{len(text), len(text), len(text), 10} {
			if !bytes.Equal(taken[p], text[:size]) {
				t.Errorf("process %d got %d bytes, want %d", p, len(taken[p]), size)
			}
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
	if got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRunInputStays: what no rank wants is left to others.
func TestRunInputStays(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.WriteString(w, "a\nb\n")
	w.Close()
	runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		if m, ok := a.hear().(*wire.Offer); !ok || m.Proc != 0 {
			t.Errorf("heard %+v, want Offer", m)
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
	if left, _ := io.ReadAll(r); string(left) != "a\nb\n" {
		t.Errorf("left: %q", left)
	}
}
