package cost

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gridrun/rt"
)

// The interval covers the true median in about 95 of 100 experiments, and is as
// narrow as the number of rounds allows.
func TestInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const experiments, rounds = 2000, 400
	inside, width := 0, 0.0
	for range experiments {
		rows := make([][]float64, rounds)
		for i := range rows {
			noise := func() float64 { return math.Exp(0.1 * rng.NormFloat64()) }
			rows[i] = []float64{100 * noise(), 102 * noise(), 1}
		}
		c := compare(rows, 1, 0)
		if c.Low <= 2 && 2 <= c.High {
			inside++
		}
		width += (c.High - c.Low) / experiments
		if c.Low > c.Median || c.Median > c.High || math.Abs(c.Nanos-100) > 5 {
			t.Fatalf("%+v", c)
		}
	}
	if share := float64(inside) / experiments; share < 0.93 || share > 0.98 {
		t.Errorf("the interval holds the true median in %.3f of the experiments", share)
	}
	// Of the median of ratios whose logarithms scatter by 0.1 * sqrt 2.
	if want := 2 * 1.96 * 1.2533 * 14.1 / math.Sqrt(rounds); math.Abs(width-want) > want/5 {
		t.Errorf("the interval is %.2f %% wide, want about %.2f", width, want)
	}
}

func TestCompareFewRounds(t *testing.T) {
	for n := 1; n <= 10; n++ {
		var rows [][]float64
		for i := range n {
			rows = append(rows, []float64{1, 1, float64(i + 1)})
		}
		if c := compare(rows, 2, 0); c.Low > c.Median || c.High < c.Median || c.Low < 0 || c.High > 100*float64(n-1) {
			t.Errorf("%d rounds: %+v", n, c)
		}
	}
}

func TestReadRows(t *testing.T) {
	rows, err := readRows(strings.NewReader("1 2.5 3\n1e2 4 5\n"))
	if err != nil || len(rows) != 2 || rows[0][1] != 2.5 || rows[1][0] != 100 {
		t.Errorf("%v, %v", rows, err)
	}
	for _, bad := range []string{"1 2", "1 2 3 4", "1 2 x", "0 1 2", "1 -2 3", "1 NaN 3", "1 Inf 3", "\n"} {
		if _, err := readRows(strings.NewReader(bad + "\n")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzReadRows(f *testing.F) {
	f.Add("1 2 3\n")
	f.Add("1 2\nx")
	f.Fuzz(func(t *testing.T, s string) {
		rows, err := readRows(strings.NewReader(s))
		if err == nil && len(rows) > 0 {
			compare(rows, 1, 0)
		}
	})
}

// The exchanges end on both ranks, whatever is observed.
func TestExchanges(t *testing.T) {
	for name, test := range tests {
		err := rt.Run(t.Context(), 2, func(ctx context.Context, w *rt.World) error {
			m := &member{w: w, x: make([]byte, 8), in: make([]byte, 8), ack: make([]byte, 1)}
			took, err := m.slice(ctx, test)
			if err == nil && took <= 0 {
				t.Errorf("%s: %v ns a message", name, took)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
