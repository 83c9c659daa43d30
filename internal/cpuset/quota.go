package cpuset

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Usable is how many CPUs' time this process and those beside it in its control group
// have at most: the CPUs of its affinity mask (which a cpuset narrows), or the part of
// them that the CPU quota of the group lets them have, such as 0.5 or 2.5.
func Usable() float64 { return usable(os.DirFS("/"), runtime.NumCPU()) }

// Whole is n as a number of CPUs that processes can be started for: at least one, and
// a part counts as one.
func Whole(n float64) int { return max(int(math.Ceil(n)), 1) }

// Processes is how many processes of one goroutine make use of n CPUs' time. Go rounds
// a quota up, too, but never to less than 2.
func Processes(n float64) int { return min(runtime.GOMAXPROCS(0), Whole(n)) }

// usable reads /proc/self/cgroup and the quota of every group from there to the
// root: cpu.max ("max 100000" or "200000 100000", microseconds per period) in
// version 2, cpu.cfs_quota_us and cpu.cfs_period_us in version 1.
func usable(fsys fs.FS, affinity int) float64 {
	n := float64(max(affinity, 1))
	groups, err := fs.ReadFile(fsys, "proc/self/cgroup")
	if err != nil {
		return n
	}
	lines := bufio.NewScanner(bytes.NewReader(groups))
	for lines.Scan() {
		// hierarchy:controllers:path; version 2 has hierarchy 0 and no controllers
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		var root string
		switch {
		case fields[0] == "0" && fields[1] == "":
			root = "sys/fs/cgroup"
		case fields[1] == "cpu" || strings.HasPrefix(fields[1], "cpu,") || strings.HasSuffix(fields[1], ",cpu"):
			root = "sys/fs/cgroup/" + fields[1]
		default:
			continue
		}
		// A group's limit binds those below it. In a container the path may
		// not exist under the mount, whose root is then the container's group.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if quota, period, ok := quotaOf(fsys, root+group); ok {
				n = min(n, float64(quota)/float64(period))
			}
			if group == "/" {
				break
			}
		}
	}
	return n
}

func quotaOf(fsys fs.FS, dir string) (quota, period int64, ok bool) {
	dir = strings.TrimSuffix(dir, "/")
	if b, err := fs.ReadFile(fsys, dir+"/cpu.max"); err == nil {
		if words := strings.Fields(string(b)); len(words) == 2 {
			return limits(words[0], words[1])
		}
		return 0, 0, false
	}
	q, err := fs.ReadFile(fsys, dir+"/cpu.cfs_quota_us")
	if err != nil {
		return 0, 0, false
	}
	p, err := fs.ReadFile(fsys, dir+"/cpu.cfs_period_us")
	if err != nil {
		return 0, 0, false
	}
	return limits(strings.TrimSpace(string(q)), strings.TrimSpace(string(p)))
}

// limits parses a quota; "max" and -1 mean none.
func limits(q, p string) (quota, period int64, ok bool) {
	quota, errQ := strconv.ParseInt(q, 10, 64)
	period, errP := strconv.ParseInt(p, 10, 64)
	return quota, period, errQ == nil && errP == nil && quota > 0 && period > 0 && quota < 1<<50
}
