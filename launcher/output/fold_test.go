package output

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// show writes folded lines as tests expect them: "0,2:text ".
func show(all []Folded) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s:%s ", strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Procs), " ", ","), "[]"), f.Text)
	}
	return b.String()
}

// TestFold runs scripts: "1a" is line a of process 1, "1." its end, "+" the time
// of half a window; what comes out at each step is in want.
func TestFold(t *testing.T) {
	for name, c := range map[string]struct {
		procs  int
		script string
		want   string
	}{
		"all print the same":      {3, "0a 1a 2a", "| | 0,1,2:a "},
		"two lines in step":       {2, "0a 0b 1a 1b", "| | 0,1:a | 0,1:b "},
		"one is alone":            {2, "0a + +", "| | 0:a "},
		"another line between":    {3, "0a 0x 0b 1a 1b 2a 2b", "| | | | | 0,1,2:a | 0:x 0,1,2:b "},
		"twice the same":          {2, "0a 0a 1a 1a", "| | 0,1:a | 0,1:a "},
		"an end closes a line":    {3, "0a 1a 2.", "| | 0,1:a "},
		"an early end":            {2, "1. 0a 0b", "| 0:a | 0:b "},
		"a late one is alone":     {2, "0a + + 1a 1.  0.", "| | 0:a | | | 1:a "},
		"the crossing of two":     {2, "0a 1b 0b 1a", "| 0:a | 0,1:b | | 1:a "},
		"each window by itself":   {2, "0a + 0b + +", "| | | 0:a | 0:b "},
		"behind those who ended":  {3, "0a 0. 1a 1. 2a", "| | | | 0,1,2:a "},
		"nobody joins what is by": {2, "0a 0b 1b 1a 0. 1.", "| | 0:a 0,1:b | | 1:a | "},
	} {
		var procs []int
		for p := range c.procs {
			procs = append(procs, p)
		}
		f := NewFold(procs, 2*time.Second)
		now := began
		var got []string
		for _, word := range strings.Fields(c.script) {
			var out []Folded
			proc := int(word[0] - '0')
			switch {
			case word == "+":
				now = now.Add(time.Second)
				out = f.Tick(now)
			case word[1:] == ".":
				out = f.End(proc, now)
			default:
				out, _ = f.Add(proc, word[1:], now)
			}
			got = append(got, show(out))
		}
		got = append(got, show(f.Flush()))
		if text := strings.TrimRight(strings.Join(got, "| "), "| "); text != strings.TrimRight(c.want, "| ") {
			t.Errorf("%s: %s: %q, want %q", name, c.script, text, c.want)
		}
		if len(f.at) != 0 || f.size != 0 || f.behind != c.procs-(c.procs-len(f.last)) {
			t.Errorf("%s: left: %+v", name, f)
		}
	}
}

// checkFold compares what came out with what each process printed.
func checkFold(t *testing.T, printed map[int][]string, out []Folded) {
	t.Helper()
	got := map[int][]string{}
	for _, f := range out {
		if !slices.IsSorted(f.Procs) || len(slices.Compact(slices.Clone(f.Procs))) != len(f.Procs) {
			t.Fatalf("%q has %v", f.Text, f.Procs)
		}
		for _, p := range f.Procs {
			got[p] = append(got[p], f.Text)
		}
	}
	for p, lines := range printed {
		if !slices.Equal(got[p], lines) {
			t.Fatalf("process %d: %d lines of %d, or in another order", p, len(got[p]), len(lines))
		}
	}
}

func TestFoldLosesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	for range 300 {
		n := []int{1, 2, 3, 5, 8, 93}[rnd.IntN(6)]
		var open []int
		for p := range n {
			open = append(open, p)
		}
		f := NewFold(open, time.Second)
		f.limit = 10_000
		now, alphabet := began, 1+rnd.IntN(6)
		printed := map[int][]string{}
		var out []Folded
		for range rnd.IntN(1000) {
			now = now.Add(time.Duration(rnd.IntN(20)) * time.Millisecond)
			switch i := rnd.IntN(len(open)); rnd.IntN(100) {
			case 0:
				out = append(out, f.End(open[i], now)...)
				if open = slices.Delete(open, i, i+1); len(open) == 0 {
					open = nil
				}
			case 1:
				out = append(out, f.Tick(now)...)
			default:
				line := string(rune('a' + rnd.IntN(alphabet)))
				if rnd.IntN(50) == 0 {
					line = strings.Repeat(line, 3000)
				}
				printed[open[i]] = append(printed[open[i]], line)
				ready, _ := f.Add(open[i], line, now)
				out = append(out, ready...)
			}
			if f.size > f.limit {
				t.Fatalf("%d bytes wait", f.size)
			}
			if due, any := f.Due(); any && due.Before(now) {
				t.Fatal("a line waits beyond its window")
			}
			if open == nil {
				break
			}
		}
		checkFold(t, printed, append(out, f.Flush()...))
	}
}

func FuzzFold(f *testing.F) {
	f.Add([]byte("abcabc..."), 3)
	f.Fuzz(func(t *testing.T, script []byte, n int) {
		n = min(max(n, 1), 20)
		open := map[int]bool{}
		var procs []int
		for p := range n {
			open[p], procs = true, append(procs, p)
		}
		fold, now := NewFold(procs, 10*time.Second), began
		printed := map[int][]string{}
		var out []Folded
		for i, c := range script {
			p := int(c) % n
			now = now.Add(time.Duration(c%3) * time.Second)
			if c == '.' && open[p] {
				open[p] = false
				out = append(out, fold.End(p, now)...)
			} else if open[p] {
				line := string(script[i/2 : i/2+1])
				printed[p] = append(printed[p], line)
				ready, _ := fold.Add(p, line, now)
				out = append(out, ready...)
			}
		}
		checkFold(t, printed, append(out, fold.Flush()...))
	})
}

// TestFolder prints from many goroutines into a writer that is slow.
func TestFolder(t *testing.T) {
	const procs, lines = 8, 400
	var mu sync.Mutex
	var got bytes.Buffer
	var all []int
	for p := range procs {
		all = append(all, p)
	}
	format := func(f Folded) []byte { return fmt.Appendf(nil, "%v %s", f.Procs, f.Text) }
	w := NewWriter(lockedWriter{&mu, &got}, &Screen{}, func(err error) { t.Error(err) })
	f := NewFolder(all, format, w.Put)
	var wg sync.WaitGroup
	for p := range procs {
		wg.Go(func() {
			credit := make(chan struct{}, 1)
			for i := range lines {
				f.Put(p, fmt.Appendf(nil, "line %d\nof all\n", i), func() { credit <- struct{}{} })
				<-credit
			}
			f.Put(p, []byte("half"), func() {})
			f.End(p)
		})
	}
	wg.Wait()
	f.Close()
	w.Close()
	<-w.Done()
	for p := range procs {
		var own []string
		for line := range strings.Lines(got.String()) {
			set, text, _ := strings.Cut(line, "] ")
			if slices.Contains(strings.Fields(set[1:]), fmt.Sprint(p)) {
				own = append(own, text)
			}
		}
		if len(own) != 2*lines+1 || own[2*lines] != "half\n" || own[2*lines-2] != fmt.Sprintf("line %d\n", lines-1) {
			t.Fatalf("process %d has %d lines", p, len(own))
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(b)
}

// TestFolderShowsWhatWaits: a line of one process alone appears by itself.
func TestFolderShowsWhatWaits(t *testing.T) {
	shown := make(chan string, 1)
	f := NewFolder([]int{0, 1}, func(f Folded) []byte { return []byte(f.Text) }, func(data []byte, written func()) {
		shown <- string(data)
		go written()
	})
	f.Put(0, []byte("alone\n"), func() {})
	select {
	case text := <-shown:
		if text != "alone\n" {
			t.Errorf("%q", text)
		}
	case <-time.After(10 * time.Second):
		t.Error("it stays hidden")
	}
	f.Close()
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := CreateFiles([]string{dir + "/a", dir + "/none/b"}, nil); err == nil {
		t.Error("a file in a directory that does not exist")
	}
	fails := 0
	f, err := CreateFiles([]string{dir + "/a", "/dev/full"}, func(error) { fails++ })
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for range 3 {
		f.Put(0, []byte("x\x00"), func() { written++ })
	}
	f.Close()
	<-f.Done()
	if fails != 0 || written != 3 {
		t.Errorf("%d failures, %d written", fails, written)
	}
	f, err = CreateFiles([]string{dir + "/a", "/dev/full"}, func(error) { fails++ })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.Put(1, []byte("x"), func() { written++ })
	}
	f.Close()
	<-f.Done()
	if fails != 1 || written != 6 {
		t.Errorf("a full disk: %d failures, %d pieces called back", fails, written)
	}
}
