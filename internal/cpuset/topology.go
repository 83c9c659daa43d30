package cpuset

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// A Topology is the cores and sockets of a host, as far as they are allowed: a
// CPU that may not be used is in none of the sets.
type Topology struct {
	Cores   []Set // in the order of their sockets, and in these of their CPUs
	Sockets []Set
}

// ReadTopology reads what sysfs (os.DirFS("/sys")) says of the allowed CPUs.
func ReadTopology(sysfs fs.FS, allowed Set) Topology {
	cores, sockets := map[int]Set{}, map[int]Set{} // by their first CPU, and by number
	socketOf := map[int]int{}
	for _, cpu := range allowed {
		dir := fmt.Sprintf("devices/system/cpu/cpu%d/topology/", cpu)
		core := cpu
		for _, name := range []string{"core_cpus_list", "thread_siblings_list"} { // since 5.3, before
			text, err := fs.ReadFile(sysfs, dir+name)
			if err != nil {
				continue
			}
			if siblings, err := Parse(string(text)); err == nil && slices.Contains(siblings, cpu) {
				core = siblings[0]
				break
			}
		}
		socket := 0
		if text, err := fs.ReadFile(sysfs, dir+"physical_package_id"); err == nil {
			if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				socket = n
			}
		}
		cores[core] = append(cores[core], cpu)
		sockets[socket] = append(sockets[socket], cpu)
		socketOf[core] = socket
	}
	var t Topology
	for _, core := range sorted(cores, func(a, b int) int {
		return cmp.Or(cmp.Compare(socketOf[a], socketOf[b]), cmp.Compare(a, b))
	}) {
		t.Cores = append(t.Cores, cores[core])
	}
	for _, socket := range sorted(sockets, cmp.Compare) {
		t.Sockets = append(t.Sockets, sockets[socket])
	}
	return t
}

func sorted(sets map[int]Set, order func(a, b int) int) []int {
	keys := make([]int, 0, len(sets))
	for k := range sets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, order)
	return keys
}

// Policies of Divide.
const (
	None   = "none"
	Core   = "core"
	Socket = "socket"
)

// Divide deals the CPUs to processes that hold so many ranks each: whole cores or
// sockets in their order, the same number for every rank or one more. cpus is how
// many the host may use at once, which a quota may make fewer than there are.
// When ranks outnumber these, nobody is bound: two ranks that share a CPU would
// wait for each other while another one may be free. The result is then nil.
func (t Topology) Divide(policy string, ranks []int, cpus int) []Set {
	units := t.Cores
	if policy == Socket {
		units = t.Sockets
	}
	total := 0
	for _, n := range ranks {
		total += n
	}
	if policy != Core && policy != Socket || total > min(len(t.Cores), cpus) {
		return nil
	}
	sets := make([]Set, len(ranks))
	rank := 0
	for p, n := range ranks {
		for range n {
			// Rank r of n has the units from r*u/n to (r+1)*u/n, and shares one
			// when there are fewer units than ranks.
			from, to := rank*len(units)/total, (rank+1)*len(units)/total
			for _, unit := range units[from:max(to, from+1)] {
				sets[p] = sets[p].Union(unit)
			}
			rank++
		}
	}
	return sets
}

// Share is how many CPUs a process with so many of the host's ranks should think
// it has: those it is bound to, but no more than its part of what the host may
// use at once, and at least one.
func Share(bound Set, ranks, total, cpus int) int {
	share := max(cpus*ranks/max(total, 1), 1)
	if len(bound) > 0 {
		share = min(len(bound), max(share, (cpus*ranks+total-1)/max(total, 1)))
	}
	return share
}
