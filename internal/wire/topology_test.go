package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// Whatever the lists hold comes back; what is regular is small.
func TestTopologyRuns(t *testing.T) {
	usual := Topology{}
	for i := range 4000 {
		usual.RankProc, usual.RankApp = append(usual.RankProc, i), append(usual.RankApp, 0)
		usual.ProcHost = append(usual.ProcHost, i/4)
		if i < 1000 {
			usual.Hosts = append(usual.Hosts, fmt.Sprintf("node%d", i+1))
		}
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	all := []Topology{
		{}, usual,
		{RankProc: []int{0}, RankApp: []int{1}, ProcHost: []int{0}, Hosts: []string{"a"}},
		{RankProc: []int{5, 5, 5, 4, 3, 2, -1}, Hosts: []string{"n08", "n09", "n10", "n11", "n1", "n2", "n3", "x", "x", "7", "8", "", "n0099", "n00100", "n99999999999", "10.0.0.1", "10.0.0.3", "10.0.0.5", "fe80::1"}},
	}
	for range 300 {
		var x Topology
		for range rnd.IntN(40) {
			x.RankProc = append(x.RankProc, rnd.IntN(5))
			x.Hosts = append(x.Hosts, fmt.Sprintf("%s%0*d", []string{"", "n", "n0"}[rnd.IntN(3)], rnd.IntN(4), rnd.IntN(12)))
		}
		all = append(all, x)
	}
	for _, x := range all {
		b, err := msgpack.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var back Topology
		if err := msgpack.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, x) {
			t.Fatalf("%+v became %+v, %v", x, back, err)
		}
	}
	round := usual
	round.ProcHost = nil
	for i := range 4000 {
		round.ProcHost = append(round.ProcHost, i%1000)
	}
	if b, _ := msgpack.Marshal(round); len(b) > 400 {
		t.Errorf("4000 ranks on 1000 hosts in turn take %d bytes", len(b))
	}
}

func TestTopologyBounds(t *testing.T) {
	for _, p := range []packedTopology{
		{RankProc: []run{{0, 1, maxEntries + 1}}},
		{RankProc: []run{{0, 1, 0}}},
		{RankApp: []run{{0, 1, -1}}},
		{ProcHost: []run{{0, 1, maxEntries}, {0, 1, 1}}},
		{Hosts: []nameRun{{"n", 1, 1, 1, maxEntries + 1}}},
		{Hosts: []nameRun{{"n", 1, maxWidth + 1, 1, 1}}},
		{Hosts: []nameRun{{"a name that is long", 1, 1, 1, maxEntries}}},
	} {
		b, err := msgpack.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := msgpack.Unmarshal(b, new(Topology)); !errors.Is(err, ErrControl) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
