//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"gridrun/collectives"
	"gridrun/internal/testnet"
	"gridrun/lram"
	"gridrun/rt"
)

// many is more than there are ranks.
const many = 1000

// survivor goes on with those that are left until all of these have had enough,
// or, where that is nil, until somebody has died and the others have met ten times
// without them.
func survivor(ctx context.Context, w *rt.World, enough <-chan os.Signal) error {
	var g rt.Group = w
	mine, after := 0, 0
	for round := 0; ; round++ {
		select {
		case <-enough:
			mine = 1
		default:
		}
		sum, err := collectives.AllReduceValue(ctx, g, many+mine, collectives.Sum[int])
		if err == nil && sum/many != g.Size() {
			return fmt.Errorf("round %d: %d of %d ranks", round, sum/many, g.Size())
		}
		if err != nil {
			rt.Revoke(g, err)
		}
		all, ended, err := rt.Agree(ctx, g, err == nil)
		if err != nil {
			return err
		}
		if round == 0 && all && enough == nil {
			fmt.Fprintln(w.Stdout(), "up")
		}
		if g.Size() < w.Size() && all {
			after++
		}
		if all && (enough == nil && after == 10 || sum%many == g.Size()) {
			break
		}
		if len(ended) > 0 {
			rt.Revoke(g, fmt.Errorf("%d ranks have ended", len(ended)))
			if g, err = rt.Shrink(ctx, g); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(w.Stdout(), "%d left\n", g.Size())
	return nil
}

// reader reads from a cache that is smaller than the array, until a host is
// lost that keeps a part of it; then those that are left make a new cache.
func reader(ctx context.Context, w *rt.World) error {
	read := func(g rt.Group, again func(round int, err error) bool) error {
		cache, err := lram.New(ctx, g, lram.Config{Memory: 64 << 10, BlockSize: 8 << 10})
		if err != nil {
			return err
		}
		defer cache.Close(ctx)
		d, err := cache.Open(ctx, "builtin:gfs_uv_20111008.nc#u")
		if err != nil {
			return err
		}
		buf := make([]float64, 26*73*144)
		for round := 0; ; round++ {
			if _, err = lram.Read(ctx, d, []int{0, 0, 0, 0}, []int{1, 26, 73, 144}, buf); !again(round, err) {
				return err
			}
		}
	}
	lost := read(w, func(round int, err error) bool {
		if round == 0 && err == nil {
			fmt.Fprintln(w.Stdout(), "up")
		}
		return err == nil
	})
	if !errors.Is(lost, lram.ErrLost) || !strings.Contains(lost.Error(), "is kept by host node2: ") {
		return fmt.Errorf("a read of what node2 kept: %w", lost)
	}
	rt.Revoke(w, lost)
	g, err := rt.Shrink(ctx, w)
	if err != nil {
		return err
	}
	if err := read(g, func(int, error) bool { return false }); err != nil {
		return fmt.Errorf("after the loss: %w", err)
	}
	fmt.Fprintf(w.Stdout(), "%d left\n", g.Size())
	return nil
}

// TestHostsSurvive strikes a rank, an agent, a guard and a link of a job that
// goes on: those that are left finish, and nothing stays.
func TestHostsSurvive(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 1, 4)
	for _, r := range failures {
		left := map[string]int{"a rank": 7, "the agent": 6, "the guard": 6, "the host's link": 6}[r.victim]
		if left == 0 {
			continue
		}
		for _, mode := range []string{"survive", "read"} {
			if mode == "read" && left == 7 {
				continue // no host is lost
			}
			t.Run(r.victim+"/"+mode, func(t *testing.T) {
				nets.use(func(c *cluster) { r.survive(t, c, mode, left) })
			})
		}
	}
}

func (r row) survive(t *testing.T, c *cluster, mode string, left int) {
	defer c.mend(t, r)
	l := c.launch(t, "", append([]string{"--timeout", "300", "--on-failure", "continue"}, jobArgs(c, mode)...)...)
	l.await(t, 8, "up")
	r.strike(t, c, l)
	code := l.wait(t)
	if line := fmt.Sprintf("%d left\n", left); code != 0 || strings.Count(l.out.String(), line) != left {
		t.Errorf("code %d, want %d lines %q: %s%s", code, left, line, l.out, l.errOut)
	}
	if !strings.Contains(l.errOut.String(), "of 8 ranks did not end well: ") || !strings.Contains(l.errOut.String(), "host node2") {
		t.Errorf("the line that names the dead: %s", l.errOut)
	}
	var alone []int
	if r.cut {
		alone = []int{struck}
	}
	c.clean(t, nil, alone)
}

// TestHostsRestart loses a host of a job that may be started again: the others
// take its ranks if they may be oversubscribed, and one line says so if not.
func TestHostsRestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testnet.Config{Hosts: 3})
	script := "echo start $GRIDRUN_RESTART; [ $GRIDRUN_RESTART = 1 ] || sleep 1000"
	for _, over := range []bool{false, true} {
		args := []string{"--timeout", "300", "--grace", "1", "--restarts", "2", "-H", c.hosts(2), "--wdir", "/"}
		code, says := 125, "not started again: "
		if over {
			args = append(args, "--oversubscribe")
			code, says = 0, "restart 1 of 2 without node2: host node2: the agent ended unexpectedly"
		}
		l := c.launch(t, "", append(args, "sh", "-c", script)...)
		l.await(t, 6, "start 0")
		kill("agent")(t, c, l)
		if got := l.wait(t); got != code || !strings.Contains(l.errOut.String(), says) {
			t.Errorf("code %d, want %d and %q: %s", got, code, says, l.errOut)
		}
		if over && strings.Count(l.out.String(), "start 1\n") != 6 {
			t.Errorf("not 6 ranks were started again: %s", l.out)
		}
		c.clean(t, nil, nil)
	}
}
