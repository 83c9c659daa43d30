package memory

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Available is how many bytes this process may still use, from what the kernel
// reports under root (os.DirFS("/") in real life): the memory that is
// available on the host, or what is left under the limits of its control
// groups (version 2 and 1), whichever is least. Pages that the kernel can drop
// (inactive file cache) count as free. ok is false where nothing is known.
func Available(root fs.FS) (n int64, ok bool) {
	n = math.MaxInt64
	if v, found := field(root, "proc/meminfo", "MemAvailable:"); found {
		n, ok = v*1024, true
	}
	lines, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return n, ok
	}
	for line := range strings.Lines(string(lines)) {
		// hierarchy:controllers:path
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		var base, limit, usage, cache string
		switch {
		case part[1] == "":
			base, limit, usage, cache = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		case strings.Contains(","+part[1]+",", ",memory,"):
			base, limit, usage, cache = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		// Every group above has a limit too. Inside a container the path may not exist: its root then is the group.
		for dir := path.Clean("/" + part[2]); ; dir = path.Dir(dir) {
			at := path.Join(base, dir)
			most, found := number(root, path.Join(at, limit))
			if used, known := number(root, path.Join(at, usage)); found && known {
				dropped, _ := field(root, path.Join(at, "memory.stat"), cache)
				n, ok = min(n, max(0, most-max(0, used-dropped))), true
			}
			if dir == "/" {
				break
			}
		}
	}
	return n, ok
}

// number reads a file that holds one number.
func number(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return v, err == nil
}

// field reads the number behind a word in a file of lines.
func field(root fs.FS, name, word string) (int64, bool) {
	f, err := root.Open(name)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if w := strings.Fields(lines.Text()); len(w) >= 2 && w[0] == word {
			v, err := strconv.ParseInt(w[1], 10, 64)
			return v, err == nil
		}
	}
	return 0, false
}
