package proclook

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	cases := []struct {
		text string
		want Process
		ok   bool
	}{
		{"12 (sh) S 3 12 12 0", Process{Pid: 12, Parent: 3, State: 'S'}, true},
		{"12 (a) Z 9 (b)) Z 3 1", Process{Pid: 12, Parent: 3, State: 'Z'}, true},
		{"1 () X 0", Process{Pid: 1, State: 'X'}, true},
		{"7 (x) R 1 2 3 4 5 6 7 8 9 10 100 20 3 1 99", Process{Pid: 7, Parent: 1, State: 'R', CPU: 1240 * time.Millisecond}, true},
		{"7 (x) R 1 2 3 4 5 6 7 8 9 10 100 -20 3 1 99", Process{}, false},
		{"", Process{}, false},
		{"12 sh S 3", Process{}, false},
		{"12 )sh( S 3", Process{}, false},
		{"x (sh) S 3", Process{}, false},
		{"12 (sh) S", Process{}, false},
		{"12 (sh) S x", Process{}, false},
	}
	for _, c := range cases {
		if got, ok := ParseStat([]byte(c.text)); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %+v %v, want %+v %v", c.text, got, ok, c.want, c.ok)
		}
	}
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := ParseStat(self); !ok || p.Pid != os.Getpid() || p.Parent != os.Getppid() || p.Ended() {
		t.Errorf("this process: %+v %v", p, ok)
	}
}

func FuzzParseStat(f *testing.F) {
	for _, s := range []string{"12 (sh) S 3 12", "1 ((())) Z 0", ")(", "", "9 ( S 1", "7 (x) R 1 2 3 4 5 6 7 8 9 10 100 20 3 1 99"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { ParseStat(b) })
}

func FuzzParseSyscall(f *testing.F) {
	for _, s := range []string{"running\n", "-1 0x7ffd 0x7f\n", "0 0x5 0xc000 0x20 0x0 0x0 0x0 0x7f 0x48\n", "257 x y z"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { parseSyscall(b) })
}

func TestTree(t *testing.T) {
	all := []Process{{Pid: 2, Parent: 1}, {Pid: 3, Parent: 2}, {Pid: 4, Parent: 3}, {Pid: 5, Parent: 1}, {Pid: 6, Parent: 9},
		{Pid: 9, Parent: 6}, {Pid: 7, Parent: 2, State: 'Z'}}
	pids := func(ps []Process) (out []int) {
		for _, p := range ps {
			out = append(out, p.Pid)
		}
		return out
	}
	if got := pids(Below(all, 2)); !slices.Equal(got, []int{3, 7, 4}) {
		t.Errorf("below 2: %v", got)
	}
	if got := pids(Tree(all, 2)); !slices.Equal(got, []int{2, 3, 7, 4}) {
		t.Errorf("tree of 2: %v", got)
	}
	if got := Below(all, 6); len(got) != 2 { // a cycle, as a table read in pieces may show
		t.Errorf("got %v", got)
	}
	if got := Tree(all, 77); len(got) != 0 {
		t.Errorf("tree of nobody: %v", got)
	}
}

func TestMemory(t *testing.T) {
	if m := Memory(os.Getpid()); m < 1<<20 || m > 1<<36 {
		t.Errorf("this process has %d bytes", m)
	}
	if m := Memory(-1); m != 0 {
		t.Errorf("nobody has %d bytes", m)
	}
}

// What a process is seen to do is what it does.
func TestLook(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		script string
		want   func(s State) bool
	}{
		"spins":             {"while :; do :; done", func(s State) bool { return s.Letter == 'R' }},
		"a child spins":     {"sh -c 'while :; do :; done'; exit 0", func(s State) bool { return s.Letter == 'R' }},
		"opens a FIFO":      {"exec cat < " + fifo, func(s State) bool { return s.Letter == 'S' && s.Call == "openat" && s.File == fifo && s.Load < 50 }},
		"reads":             {"read x", func(s State) bool { return s.Letter == 'S' && s.Call == "read" && strings.HasPrefix(s.File, "pipe:") }},
		"a child reads":     {"cat; exit 0", func(s State) bool { return s.Call == "read" }},
		"sleeps":            {"exec sleep 1000", func(s State) bool { return s.Letter == 'S' && s.Call == "clock_nanosleep" && s.File == "" }},
		"is stopped":        {"kill -STOP $$; exit 0", func(s State) bool { return s.Letter == 'T' }},
		"a child is reaped": {"sh -c :; exec sleep 1000", func(s State) bool { return s.Letter == 'S' }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", c.script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				cmd.Wait()
			}()
			look := func() Sight { return Look(Tree(Processes(), cmd.Process.Pid)) }
			before := look()
			for deadline := time.Now().Add(time.Minute); ; {
				time.Sleep(20 * time.Millisecond)
				now := look()
				got := now.Since(before)
				if c.want(got) {
					return
				}
				if before = now; time.Now().After(deadline) {
					t.Fatalf("%+v", got)
				}
			}
		})
	}
}

func TestNobody(t *testing.T) {
	if s := Look(nil).Since(Look(nil)); s.Letter != 'Z' {
		t.Errorf("%+v", s)
	}
}
