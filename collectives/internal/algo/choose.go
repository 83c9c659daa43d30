package algo

import (
	"fmt"
	"strings"
)

// A Choice says what the caller wants of an operation's table.
type Choice struct {
	Name    string // an algorithm; empty: the best by size
	Ordered bool   // only algorithms that fold strictly in rank order
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// A row is one algorithm of an operation. best tells whether to take it for p
// ranks and n bytes; the first row that says yes is taken.
type row[F any] struct {
	name  string
	order order
	best  func(p, n int) bool
	run   F
}

// An order says in which order an algorithm folds.
type order bool

const (
	anyOrder order = false
	inOrder  order = true
)

func always(int, int) bool { return true }

// These switch points hold on machines that have not been calibrated. They were
// measured between goroutine ranks on two cores, with 8, 16 and 93 ranks; where one
// host tells too little about bandwidth between hosts, large buffers go to the
// algorithm that sends the fewest bytes. Where costs are known, a [Chooser] decides.
//
// In the tables n is: the whole buffer for Bcast, Reduce, AllReduce and the
// scans; one rank's block for Gather and Scatter; all blocks together for
// ReduceScatter, AllGather and AllToAll.

var barriers = []row[func(Net) error]{
	{"dissemination", anyOrder, func(p, n int) bool { return p <= 16 }, barrierDissemination},
	{"tree", anyOrder, always, barrierTree},
}

var bcasts = []row[func(c Net, root int, x []byte) error]{
	{"binomial", anyOrder, func(p, n int) bool { return p < 8 || n/p < 64*kib }, bcastBinomial},
	{"scatter-allgather", anyOrder, always, bcastScatterAllGather},
}

var reduces = []row[func(c Net, root int, x []byte, f Fold) error]{
	{"binomial", anyOrder, func(p, n int) bool { return p < 8 || n < 4*mib }, reduceBinomial},
	{"halving", anyOrder, always, reduceHalving},
	{"gather", inOrder, func(p, n int) bool { return n <= 32*kib && p*n <= 4*mib }, reduceGather},
	{"chain", inOrder, always, reduceChain},
}

var allReduces = []row[func(c Net, x []byte, f Fold) error]{
	{"doubling", anyOrder, func(p, n int) bool { return p == 2 || n <= 32*kib }, allReduceDoubling},
	{"ring", anyOrder, func(p, n int) bool { return n/p >= 64*kib && p&(p-1) != 0 }, allReduceRing},
	{"rabenseifner", anyOrder, always, allReduceRabenseifner},
	{"gather", inOrder, func(p, n int) bool { return n <= 32*kib && p*n <= 4*mib }, allReduceGather},
	{"chain", inOrder, always, allReduceChain},
}

var reduceScatters = []row[func(c Net, x, part []byte, f Fold) error]{
	{"halving", anyOrder, func(p, n int) bool { return n <= 512*kib }, reduceScatterHalving},
	{"pairwise", anyOrder, always, reduceScatterPairwise},
	{"alltoall", inOrder, always, reduceScatterAllToAll},
}

var gathers = []row[func(c Net, root int, x, all []byte, off []int) error]{
	{"binomial", anyOrder, func(p, n int) bool { return p > 4 && n <= 512 }, gatherBinomial},
	{"linear", anyOrder, always, gatherLinear},
}

var scatters = []row[func(c Net, root int, all []byte, off []int, x []byte) error]{
	{"binomial", anyOrder, func(p, n int) bool { return p > 4 && n <= 512 }, scatterBinomial},
	{"linear", anyOrder, always, scatterLinear},
}

var allGathers = []row[func(c Net, x, all []byte, off []int) error]{
	{"bruck", anyOrder, func(p, n int) bool { return n <= 16*kib && p&(p-1) != 0 }, allGatherBruck},
	{"doubling", anyOrder, func(p, n int) bool { return n <= mib }, allGatherDoubling},
	{"ring", anyOrder, always, allGatherRing},
}

var allToAlls = []row[func(c Net, out, in []byte, off []int) error]{
	{"bruck", anyOrder, func(p, n int) bool { return p > 4 && n/p <= kib }, allToAllBruck},
	{"pairwise", anyOrder, always, allToAllPairwise},
}

var scans = []row[func(c Net, x []byte, f Fold) error]{
	{"doubling", anyOrder, func(p, n int) bool { return n <= 64*kib }, scanDoubling},
	{"chain", inOrder, always, scanChain},
}

var exScans = []row[func(c Net, x []byte, f Fold) error]{
	{"doubling", anyOrder, func(p, n int) bool { return n <= 64*kib }, exScanDoubling},
	{"chain", inOrder, always, exScanChain},
}

// A Listener is a Net that wants to know which algorithm has been chosen, and for
// how many bytes.
type Listener interface {
	Chose(algorithm string, bytes int)
}

// A Chooser is a Net that knows better than the tables which algorithm is fastest.
type Chooser interface {
	// Best names an algorithm of the operation; "" leaves it to the table.
	Best(op string, ordered bool, bytes int) string
}

// choose returns the algorithm of an operation's table for p ranks and n bytes, and
// tells c.
func choose[F any](c Net, op string, table []row[F], want Choice, p, n int) (F, error) {
	if k, ok := c.(Chooser); ok && want.Name == "" {
		want.Name = k.Best(op, want.Ordered, n)
	}
	var names []string
	for _, r := range table {
		if want.Ordered && r.order == anyOrder {
			continue
		}
		names = append(names, r.name)
		if want.Name == r.name || want.Name == "" && r.best(p, n) {
			if l, ok := c.(Listener); ok {
				l.Chose(r.name, n)
			}
			return r.run, nil
		}
	}
	var none F
	kind := "algorithm"
	if want.Ordered {
		kind = "ordered algorithm"
	}
	return none, fmt.Errorf("no %s is named %q here; there are: %s", kind, want.Name, strings.Join(names, ", "))
}
