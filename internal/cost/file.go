package cost

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A Machine is what costs are of.
type Machine struct {
	CPU    string
	Cores  int
	Kernel string
}

// ThisMachine reads what the kernel says; what it does not say stays empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Kernel: runtime.GOOS + "/" + runtime.GOARCH}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel += " " + strings.TrimSpace(string(b))
	}
	for line := range strings.Lines(head("/proc/cpuinfo")) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			m.CPU = strings.Join(strings.Fields(value), " ")
			break
		}
	}
	return m
}

// head is the beginning of a file, which may have an entry for each of a thousand
// processors.
func head(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 4<<10)
	n, _ := io.ReadFull(f, b)
	return string(b[:n])
}

func (m Machine) String() string { return fmt.Sprintf("%s, %d cores, %s", m.CPU, m.Cores, m.Kernel) }

// version is of the file's format and of what is measured.
const version = "gridrun costs 1"

// Dir is where costs are kept; "" for somebody without a home.
func Dir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "gridrun", "costs")
}

// Path is the machine's file in a directory. Machines that share a home have one
// each, and so have the shares of a machine that containers get; after a change of
// the kernel the file is there and stale. Figures for which TCP was measured between
// some hosts have a file of their own.
func (m Machine) Path(dir string, hosts ...string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%d", m.CPU, m.Cores)
	if len(hosts) > 0 {
		fmt.Fprintf(h, "\n%s", Among(hosts))
	}
	return filepath.Join(dir, fmt.Sprintf("%016x", h.Sum64()))
}

// Among is a set of hosts in one word.
func Among(hosts []string) string {
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), ",")
}

// Find reads the figures in dir for a job on these hosts, started from machine m: TCP
// measured between all of them, and the fewest others, or, where that never was, within
// the machine. Without a file it is os.ErrNotExist.
func Find(dir string, m Machine, hosts []string) (Record, error) {
	best, fewest := m.Path(dir), -1
	files, err := os.ReadDir(dir)
	if err != nil || len(hosts) == 0 {
		files = nil
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		r, err := read(path)
		if err != nil || r.Between == "" || r.Machine.CPU != m.CPU || r.Machine.Cores != m.Cores {
			continue
		}
		between := strings.Split(r.Between, ",")
		covers := !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(between, h) })
		if covers && (fewest < 0 || len(between) < fewest) {
			best, fewest = path, len(between)
		}
	}
	return Read(best, m)
}

// A Record is what a file holds.
type Record struct {
	Machine Machine
	Taken   string // when
	Between string // Among the hosts that TCP was measured between; "": within this machine
	Costs   Costs
}

// Write replaces the file at path, whole or not at all.
func (r Record) Write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".costs-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(r.text())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func (r Record) text() string {
	return strings.Join([]string{version, r.Machine.CPU, r.Machine.Kernel, r.Taken, r.Between, r.Costs.String()}, "\n") + "\n"
}

// ErrOther is a file of another machine, or of this one before a change.
var ErrOther = errors.New("is of another machine or kernel")

// Read reads the file at path. It is an ErrOther when that is not of machine m;
// without a file it is os.ErrNotExist.
func Read(path string, m Machine) (Record, error) {
	r, err := read(path)
	if err == nil && r.Machine != m {
		return Record{}, fmt.Errorf("%s %w (%v; this is %v)", path, ErrOther, r.Machine, m)
	}
	return r, err
}

func read(path string) (Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return Record{}, err
	}
	r, err := parseFile(string(b))
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func parseFile(text string) (Record, error) {
	lines := strings.Split(text, "\n")
	if lines[0] != version {
		return Record{}, fmt.Errorf("it does not begin with %q", version)
	}
	if len(lines) != 7 || lines[6] != "" {
		return Record{}, errors.New("it is cut off or too long")
	}
	c, err := Parse(lines[5])
	if err != nil {
		return Record{}, err
	}
	return Record{Machine{lines[1], c.Cores, lines[2]}, lines[3], lines[4], *c}, nil
}
