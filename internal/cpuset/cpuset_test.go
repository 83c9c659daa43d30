package cpuset

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0-3,8\n": "0-3,8", "8,0-3": "0-3,8", "1,1,2": "1-2", "0,2,4": "0,2,4", "8191": "8191",
		"": "", "a": "", "3-1": "", "1-": "", "-1": "", "8192": "", "0,,1": "", "0:1": "",
	} {
		s, err := Parse(text)
		if (err != nil) != (want == "") || s.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, s, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0-3,8")
	f.Add("7,7-9")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || !slices.Equal(s, again) || !slices.IsSorted(s) {
			t.Errorf("%q: %v, then %v %v", text, s, again, err)
		}
	})
}

// host makes the part of /sys of a machine: threads of a core are n/threads apart, as on most.
func host(sockets, cores, threads int) (sys fstest.MapFS, all Set) {
	sys = fstest.MapFS{}
	n := sockets * cores
	for cpu := range n * threads {
		all = append(all, cpu)
		var siblings Set
		for k := range threads {
			siblings = append(siblings, cpu%n+k*n)
		}
		dir := fmt.Sprintf("devices/system/cpu/cpu%d/topology/", cpu)
		sys[dir+"thread_siblings_list"] = &fstest.MapFile{Data: []byte(siblings.String() + "\n")}
		sys[dir+"physical_package_id"] = &fstest.MapFile{Data: fmt.Appendln(nil, cpu%n/cores)}
	}
	return sys, all
}

func TestTopology(t *testing.T) {
	sys, all := host(2, 2, 2)
	got := ReadTopology(sys, all)
	want := Topology{Cores: []Set{{0, 4}, {1, 5}, {2, 6}, {3, 7}}, Sockets: []Set{{0, 1, 4, 5}, {2, 3, 6, 7}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("2 sockets of 2 cores of 2: %v", got)
	}
	got = ReadTopology(sys, Set{1, 3, 5, 6}) // what a cpuset leaves
	want = Topology{Cores: []Set{{1, 5}, {6}, {3}}, Sockets: []Set{{1, 5}, {3, 6}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("CPUs 1,3,5,6: %v", got)
	}
	got = ReadTopology(fstest.MapFS{}, Set{2, 5})
	want = Topology{Cores: []Set{{2}, {5}}, Sockets: []Set{{2, 5}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without /sys: %v", got)
	}
}

func TestDivide(t *testing.T) {
	sys, all := host(2, 4, 1)
	wide := ReadTopology(sys, all)
	two := ReadTopology(fstest.MapFS{}, Set{0, 1})
	for _, c := range []struct {
		name   string
		on     Topology
		policy string
		ranks  []int
		cpus   int
		want   string // sets, one a process
	}{
		{"one rank has all", wide, Core, []int{1}, 8, "[0-7]"},
		{"two", wide, Core, []int{1, 1}, 8, "[0-3 4-7]"},
		{"three", wide, Core, []int{1, 1, 1}, 8, "[0-1 2-4 5-7]"},
		{"five", wide, Core, []int{1, 1, 1, 1, 1}, 8, "[0 1-2 3 4-5 6-7]"},
		{"eight", wide, Core, []int{1, 1, 1, 1, 1, 1, 1, 1}, 8, "[0 1 2 3 4 5 6 7]"},
		{"nine are too many", wide, Core, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}, 8, "[]"},
		{"a quota makes three too many", wide, Core, []int{1, 1, 1}, 2, "[]"},
		{"ranks of one process", wide, Core, []int{3, 1}, 8, "[0-5 6-7]"},
		{"sockets", wide, Socket, []int{1, 1, 1}, 8, "[0-3 0-3 4-7]"},
		{"one rank, two sockets", wide, Socket, []int{1}, 8, "[0-7]"},
		{"restricted", two, Core, []int{1, 1}, 2, "[0 1]"},
		{"restricted, three", two, Core, []int{1, 1, 1}, 2, "[]"},
		{"none", wide, None, []int{1}, 8, "[]"},
	} {
		if got := fmt.Sprint(c.on.Divide(c.policy, c.ranks, c.cpus)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		bound              Set
		ranks, total, cpus int
		want               int
	}{
		{nil, 1, 1, 8, 8}, {nil, 1, 3, 8, 2}, {nil, 2, 3, 8, 5}, {nil, 1, 93, 2, 1},
		{Set{0, 1}, 1, 3, 8, 2}, {Set{2, 3, 4}, 1, 3, 8, 3}, {Set{0, 1, 2, 3}, 1, 2, 2, 1}, {Set{5}, 1, 1, 8, 1},
	} {
		if got := Share(c.bound, c.ranks, c.total, c.cpus); got != c.want {
			t.Errorf("%d of %d ranks on %d CPUs, bound to %v: %d, want %d", c.ranks, c.total, c.cpus, c.bound, got, c.want)
		}
	}
}
