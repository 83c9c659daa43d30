package algo

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"

	"gridrun/internal/cost"
)

// add is a sum of bytes; elements have 3 of them to catch cuts in the middle.
var add = Fold{Elem: 3, Into: func(dst, src []byte) error {
	if len(dst) != len(src) || len(dst)%3 != 0 {
		return fmt.Errorf("folding %d bytes into %d", len(src), len(dst))
	}
	for i, v := range src {
		dst[i] += v
	}
	return nil
}}

func data(rank, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rank*31 + i*7 + 1)
	}
	return b
}

func total(p, n int) []byte {
	sum := data(0, n)
	for r := 1; r < p; r++ {
		add.Into(sum, data(r, n))
	}
	return sum
}

func joined(p, n int) (all []byte) {
	for r := range p {
		all = append(all, data(r, n)...)
	}
	return all
}

// A trial runs one algorithm on one rank with n bytes (a multiple of 3) and
// says whether the result is right.
type trial func(c Net, n int) error

func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return errors.New("wrong result")
	}
	return nil
}

// trials lists every algorithm as operation/name.
func trials() map[string]trial {
	all := map[string]trial{}
	for _, row := range barriers {
		all["Barrier/"+row.name] = func(c Net, n int) error { return row.run(c) }
	}
	for _, row := range bcasts {
		all["Bcast/"+row.name] = func(c Net, n int) error {
			root := c.Size() / 2
			x := data(c.Rank(), n)
			return errors.Join(row.run(c, root, x), same(x, data(root, n)))
		}
	}
	for _, row := range reduces {
		all["Reduce/"+row.name] = func(c Net, n int) error {
			root, x := c.Size()/2, data(c.Rank(), n)
			want := x
			if c.Rank() == root {
				want = total(c.Size(), n)
			}
			return errors.Join(row.run(c, root, x, add), same(x, want))
		}
	}
	for _, row := range allReduces {
		all["AllReduce/"+row.name] = func(c Net, n int) error {
			x := data(c.Rank(), n)
			return errors.Join(row.run(c, x, add), same(x, total(c.Size(), n)))
		}
	}
	for _, row := range reduceScatters {
		all["ReduceScatter/"+row.name] = func(c Net, n int) error {
			p, part := c.Size(), make([]byte, n)
			return errors.Join(row.run(c, data(c.Rank(), n*p), part, add), same(part, total(p, n*p)[c.Rank()*n:][:n]))
		}
	}
	for _, row := range gathers {
		all["Gather/"+row.name] = func(c Net, n int) error {
			p := c.Size()
			root, into := p/2, []byte(nil)
			if c.Rank() == root {
				into = make([]byte, n*p)
			}
			err := row.run(c, root, data(c.Rank(), n), into, Even(n, p))
			if c.Rank() != root {
				return err
			}
			return errors.Join(err, same(into, joined(p, n)))
		}
	}
	for _, row := range scatters {
		all["Scatter/"+row.name] = func(c Net, n int) error {
			p, x := c.Size(), make([]byte, n)
			return errors.Join(row.run(c, p/2, joined(p, n), Even(n, p), x), same(x, data(c.Rank(), n)))
		}
	}
	for _, row := range allGathers {
		all["AllGather/"+row.name] = func(c Net, n int) error {
			p := c.Size()
			into := make([]byte, n*p)
			return errors.Join(row.run(c, data(c.Rank(), n), into, Even(n, p)), same(into, joined(p, n)))
		}
	}
	for _, row := range allToAlls {
		all["AllToAll/"+row.name] = func(c Net, n int) error {
			p, in := c.Size(), make([]byte, n*c.Size())
			var want []byte
			for q := range p {
				want = append(want, data(q, n*p)[c.Rank()*n:][:n]...)
			}
			return errors.Join(row.run(c, data(c.Rank(), n*p), in, Even(n, p)), same(in, want))
		}
	}
	for _, row := range scans {
		all["Scan/"+row.name] = func(c Net, n int) error {
			x := data(c.Rank(), n)
			return errors.Join(row.run(c, x, add), same(x, total(c.Rank()+1, n)))
		}
	}
	for _, row := range exScans {
		all["ExScan/"+row.name] = func(c Net, n int) error {
			x, want := data(c.Rank(), n), data(0, n)
			if c.Rank() > 0 {
				want = total(c.Rank(), n)
			}
			return errors.Join(row.run(c, x, add), same(x, want))
		}
	}
	return all
}

// TestNothingIsBuffered runs every algorithm on a network where a Send waits
// for its receive.
func TestNothingIsBuffered(t *testing.T) {
	for name, run := range trials() {
		t.Run(name, func(t *testing.T) {
			for _, p := range []int{1, 2, 3, 5, 7, 8, 19} {
				for _, n := range []int{0, 3, 99} {
					if err := newHub(p).run(t, func(c Net) error { return run(c, n) }); err != nil {
						t.Errorf("%d ranks, %d bytes: %v", p, n, err)
					}
				}
			}
			n := 3 * segment // several segments
			if err := newHub(3).run(t, func(c Net) error { return run(c, n) }); err != nil {
				t.Errorf("3 ranks, %d bytes: %v", n, err)
			}
		})
	}
}

// TestFaults fails each transfer in turn: every rank must return, one of them
// with the cause.
func TestFaults(t *testing.T) {
	for name, run := range trials() {
		t.Run(name, func(t *testing.T) {
			for at := int64(1); ; at++ {
				h := newHub(5)
				h.failAt = at
				err := h.run(t, func(c Net) error { return run(c, 30) })
				if h.transfers.Load() < at {
					break
				}
				if err == nil {
					t.Fatalf("transfer %d failed and nobody says so", at)
				}
			}
		})
	}
}

// TestFoldFails has the operation fail on one rank.
func TestFoldFails(t *testing.T) {
	bad := Fold{Elem: 3, Into: func(dst, src []byte) error { return errInjected }}
	for _, row := range allReduces {
		if err := newHub(5).run(t, func(c Net) error { return row.run(c, data(c.Rank(), 30), bad) }); !errors.Is(err, errInjected) {
			t.Errorf("AllReduce/%s: %v", row.name, err)
		}
	}
	for _, row := range scans {
		if err := newHub(5).run(t, func(c Net) error { return row.run(c, data(c.Rank(), 30), bad) }); !errors.Is(err, errInjected) {
			t.Errorf("Scan/%s: %v", row.name, err)
		}
	}
}

// TestCosts holds the algorithms to what docs/algorithms.md says of them: the
// most messages and bytes that any rank sends, n as in choose.go.
func TestCosts(t *testing.T) {
	const block = 48 * 3
	lg := func(p int) int { return bits.Len(uint(p - 1)) }
	type cost struct{ messages, bytes func(p, n int) int }
	half := func(p, n int) int { return n - n/p }
	costs := map[string]cost{
		"Barrier/dissemination":   {func(p, n int) int { return lg(p) }, func(p, n int) int { return 0 }},
		"Barrier/tree":            {func(p, n int) int { return lg(p) }, func(p, n int) int { return 0 }},
		"Bcast/binomial":          {func(p, n int) int { return lg(p) }, func(p, n int) int { return n * lg(p) }},
		"Bcast/scatter-allgather": {func(p, n int) int { return lg(p) + p - 1 }, func(p, n int) int { return 2 * half(p, n) }},
		"Reduce/binomial":         {func(p, n int) int { return 1 }, func(p, n int) int { return n }},
		"Reduce/halving":          {func(p, n int) int { return lg(p) + 2 }, func(p, n int) int { return n }},
		"Reduce/gather":           {func(p, n int) int { return 1 }, func(p, n int) int { return n * p / 2 }},
		"Reduce/chain":            {func(p, n int) int { return 2 }, func(p, n int) int { return n }},
		"AllReduce/doubling":      {func(p, n int) int { return lg(p) }, func(p, n int) int { return n * lg(p) }},
		"AllReduce/ring":          {func(p, n int) int { return 2 * (p - 1) }, func(p, n int) int { return 2 * half(p, n) }},
		"AllReduce/rabenseifner":  {func(p, n int) int { return 2 * lg(p) }, func(p, n int) int { return 2 * half(p, n) }},
		"ReduceScatter/halving":   {func(p, n int) int { return lg(p) }, half},
		"ReduceScatter/pairwise":  {func(p, n int) int { return p - 1 }, half},
		"Gather/binomial":         {func(p, n int) int { return 1 }, func(p, n int) int { return n * p / 2 }},
		"Gather/linear":           {func(p, n int) int { return 2 }, func(p, n int) int { return n }},
		"Scatter/binomial":        {func(p, n int) int { return lg(p) }, func(p, n int) int { return half(p, n*p) }},
		"Scatter/linear":          {func(p, n int) int { return p - 1 }, func(p, n int) int { return half(p, n*p) }},
		"AllGather/doubling":      {func(p, n int) int { return lg(p) }, half},
		"AllGather/bruck":         {func(p, n int) int { return lg(p) }, half},
		"AllGather/ring":          {func(p, n int) int { return p - 1 }, half},
		"AllToAll/bruck":          {func(p, n int) int { return lg(p) }, func(p, n int) int { return n / 2 * lg(p) }},
		"AllToAll/pairwise":       {func(p, n int) int { return p - 1 }, half},
		"Scan/doubling":           {func(p, n int) int { return lg(p) }, func(p, n int) int { return n * lg(p) }},
		"Scan/chain":              {func(p, n int) int { return 1 }, func(p, n int) int { return n }},
	}
	all := trials()
	for name, want := range costs {
		run, ok := all[name]
		if !ok {
			t.Errorf("there is no %s", name)
			continue
		}
		for _, p := range []int{2, 4, 16} {
			h := newHub(p)
			if err := h.run(t, func(c Net) error { return run(c, block) }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n := block
			op, _, _ := strings.Cut(name, "/")
			if slices.Contains([]string{"ReduceScatter", "AllGather", "AllToAll"}, op) {
				n *= p
			}
			var messages, most int64
			for r := range p {
				messages, most = max(messages, h.messages[r].Load()), max(most, h.bytes[r].Load())
			}
			if int(messages) > want.messages(p, n) || int(most) > want.bytes(p, n) {
				t.Errorf("%s, %d ranks, n = %d: a rank sends %d messages, %d bytes; the docs say %d and %d",
					name, p, n, messages, most, want.messages(p, n), want.bytes(p, n))
			}
		}
	}
}

func TestChoose(t *testing.T) {
	name := func(want Choice, p, n int) string {
		for _, row := range allReduces {
			if (!want.Ordered || row.order == inOrder) && row.best(p, n) {
				return row.name
			}
		}
		return ""
	}
	for _, c := range []struct {
		want Choice
		p, n int
		is   string
	}{
		{Choice{}, 93, 8, "doubling"},
		{Choice{}, 64, 1 << 20, "rabenseifner"},
		{Choice{}, 6, 1 << 20, "ring"},
		{Choice{Ordered: true}, 5, 8, "gather"},
		{Choice{Ordered: true}, 5, 1 << 20, "chain"},
	} {
		if got := name(c.want, c.p, c.n); got != c.is {
			t.Errorf("%+v, %d ranks, %d bytes: %s, want %s", c.want, c.p, c.n, got, c.is)
		}
	}
	_, err := choose(nil, "Scan", scans, Choice{Name: "fast", Ordered: true}, 4, 8)
	if err == nil || !strings.Contains(err.Error(), `"fast"`) || !strings.HasSuffix(err.Error(), "there are: chain") {
		t.Errorf("unknown name: %v", err)
	}
	for _, p := range []int{1, 2, 3, 93, 1024} { // every size finds a row
		for n := 0; n < 1<<31; n = 3*n + 1 {
			for _, ordered := range []bool{false, true} {
				_, e1 := choose(nil, "Reduce", reduces, Choice{Ordered: ordered}, p, n)
				_, e2 := choose(nil, "AllReduce", allReduces, Choice{Ordered: ordered}, p, n)
				_, e3 := choose(nil, "ReduceScatter", reduceScatters, Choice{Ordered: ordered}, p, n)
				_, e4 := choose(nil, "Scan", scans, Choice{Ordered: ordered}, p, n)
				_, e5 := choose(nil, "ExScan", exScans, Choice{Ordered: ordered}, p, n)
				_, e6 := choose(nil, "Bcast", bcasts, Choice{}, p, n)
				_, e7 := choose(nil, "AllGather", allGathers, Choice{}, p, n)
				_, e8 := choose(nil, "AllToAll", allToAlls, Choice{}, p, n)
				if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8); err != nil {
					t.Fatalf("%d ranks, %d bytes, ordered %v: %v", p, n, ordered, err)
				}
			}
		}
	}
}

func TestCuts(t *testing.T) {
	for _, elem := range []int{0, 1, 3, 16} {
		for _, parts := range []int{1, 2, 5, 16} {
			for count := range 40 {
				off := cuts(count*elem, elem, parts)
				if len(off) != parts+1 || off[0] != 0 || off[parts] != count*elem || !slices.IsSorted(off) {
					t.Errorf("%d elements of %d in %d parts: %v", count, elem, parts, off)
				}
				for i := range parts {
					if elem > 0 && (off[i]%elem != 0 || off[i+1]-off[i] > (count/parts+1)*elem) {
						t.Errorf("%d elements of %d in %d parts: %v", count, elem, parts, off)
					}
				}
			}
		}
	}
}

// TestEveryAlgorithmIsPredicted: the cost model knows those of the tables, and no
// others, in the tables' order, and which of them keep the order of the ranks.
func TestEveryAlgorithmIsPredicted(t *testing.T) {
	check(t, "Barrier", barriers)
	check(t, "Bcast", bcasts)
	check(t, "Reduce", reduces)
	check(t, "AllReduce", allReduces)
	check(t, "ReduceScatter", reduceScatters)
	check(t, "Gather", gathers)
	check(t, "Scatter", scatters)
	check(t, "AllGather", allGathers)
	check(t, "AllToAll", allToAlls)
	check(t, "Scan", scans)
	check(t, "ExScan", exScans)
}

func check[F any](t *testing.T, op string, table []row[F]) {
	for _, ordered := range []bool{false, true} {
		var names []string
		for _, r := range table {
			if r.order == inOrder || !ordered {
				names = append(names, r.name)
			}
		}
		if known := cost.Names(op, ordered); !slices.Equal(known, names) {
			t.Errorf("%s, ordered %v: the model knows %q, the table has %q", op, ordered, known, names)
		}
	}
}

// TestDocs looks for every algorithm in docs/algorithms.md.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/algorithms.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")
	for name := range trials() {
		op, algorithm, _ := strings.Cut(name, "/")
		found := slices.ContainsFunc(sections, func(s string) bool {
			title, body, _ := strings.Cut(s, "\n")
			return slices.Contains(strings.Split(title, ", "), op) && strings.Contains(body, "| `"+algorithm+"` |")
		})
		if !found {
			t.Errorf("docs/algorithms.md has no row %q under %q", algorithm, op)
		}
	}
}
