//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/testnet"
	"gridrun/launcher/place"
)

// A blow kills something of a job that goes on.
type blow struct {
	after time.Duration // since the one before, or the start
	host  int
	part  string // see parts; "link" cuts the host off
}

func (b blow) String() string { return fmt.Sprintf("%s of node%d", b.part, b.host+1) }

// TestHostsOutlast kills ranks, agents, guards, connections and a link of a job
// with --on-failure continue: one to three of them, any of them, at any moment,
// also while the others are still agreeing on who is left. Those that are left
// meet in a group of their own until they are told to end, the dead are named,
// and nothing stays. GRIDRUN_KILLS and GRIDRUN_KILL_SEED are as for TestHostKills.
func TestHostsOutlast(t *testing.T) {
	t.Parallel()
	nets := newClusters(t, 2, 4)
	first := number("GRIDRUN_KILL_SEED", int(time.Now().Unix()))
	for i := range number("GRIDRUN_KILLS", 6) {
		seed := uint64(first + i)
		rnd := rand.New(rand.NewPCG(seed, seed))
		safe := rnd.IntN(4) // this host is struck by nothing
		blows := make([]blow, 1+rnd.IntN(3))
		for j := range blows {
			b := blow{after: time.Duration(rnd.Int64N(int64(300 * time.Millisecond))), host: (safe + 1 + rnd.IntN(3)) % 4}
			if j == 0 {
				b.after *= 5
			}
			b.part = []string{"rank", "rank", "agent", "guard", "sshd", "link"}[rnd.IntN(6)]
			if b.part == "link" && b.host != struck {
				b.part = "rank"
			}
			blows[j] = b
		}
		from := rnd.IntN(3) // when the first blow's time begins: see outlast
		t.Run(fmt.Sprintf("%d/%d%v", seed, from, blows), func(t *testing.T) {
			t.Parallel()
			nets.use(func(c *cluster) { c.outlast(t, from, blows) })
		})
	}
}

// outlast strikes from the job's start (0), from when a rank runs where the first
// blow falls (1), or from when all run (2).
func (c *cluster) outlast(t *testing.T, from int, blows []blow) {
	cut := slices.ContainsFunc(blows, func(b blow) bool { return b.part == "link" })
	defer c.mend(t, row{})
	l := c.launch(t, "", append([]string{"--timeout", "300", "--on-failure", "continue"}, jobArgs(c, "outlast")...)...)
	allUp := func() bool { return strings.Count(l.out.String(), "up ") == 8 }
	poll(t, "the blows may fall", func() bool {
		return from == 0 || from == 1 && len(c.find(t, blows[0].host, "rank")) > 0 || allUp()
	})
	dead, hosts, early := map[int]bool{}, map[int]bool{}, false
	for _, b := range blows {
		select {
		case <-time.After(b.after): // the random moment
		case <-l.done:
		}
		up := allUp()
		if gone := b.fall(t, c); len(gone) > 0 {
			early = early || !up
			hosts[b.host] = true
			for _, r := range gone {
				dead[r] = true
			}
		}
	}
	// Who is left says so when it has come that far; a host that is lost before
	// its ranks run ends the job.
	var missing []string
	poll(t, "all that are left run, or the job has ended", func() bool {
		missing = nil
		for r := range 8 {
			if line := fmt.Sprintf("up %d\n", r); !dead[r] && !strings.Contains(l.out.String(), line) {
				missing = append(missing, line)
			}
		}
		select {
		case <-l.done:
			return true
		default:
			return len(missing) == 0
		}
	})
	l.cmd.Process.Signal(syscall.SIGUSR1) // fails where it has ended
	code := l.wait(t)
	var alone []int
	if cut {
		alone = []int{struck}
	}
	c.clean(t, nil, alone)
	said := l.errOut.String()
	t.Logf("code %d, dead %v: %s", code, dead, said)
	if code == 125 && early && slices.ContainsFunc([]int{0, 1, 2, 3}, func(h int) bool {
		return hosts[h] && strings.Contains(said, fmt.Sprintf("host node%d: ", h+1))
	}) {
		return
	}
	// Hosts that failed for the same reason share a line: each has been struck.
	if _, line, ok := strings.Cut(said, "gridrun: hosts "); code == 125 && early && ok {
		names, _, _ := strings.Cut(line, ":")
		failed, err := place.ParseHosts(names)
		if err == nil && !slices.ContainsFunc(failed, func(f place.Host) bool {
			var n int
			fmt.Sscanf(f.Name, "node%d", &n)
			return !hosts[n-1]
		}) {
			return
		}
	}
	left := 8 - len(dead)
	if line := fmt.Sprintf("%d left\n", left); code != 0 || strings.Count(l.out.String(), line) != left {
		t.Errorf("code %d, want 0 and %d lines %q; not up: %q; %s", code, left, line, missing, l.out)
	}
	for h := range hosts {
		has(t, said, fmt.Sprintf("host node%d", h+1))
	}
	if len(dead) > 0 {
		has(t, said, fmt.Sprintf("%d of 8 ranks did not end well: ", len(dead)))
	}
}

// fall strikes, if what it is for is there, and returns the ranks that die of it.
func (b blow) fall(t *testing.T, c *cluster) (dead []int) {
	if b.part == "link" {
		if len(c.find(t, b.host, "agent")) == 0 {
			return nil // before that other times hold: docs/failures.md
		}
		if err := c.Cut(b.host); err != nil {
			t.Fatal(err)
		}
		return []int{2 * b.host, 2*b.host + 1}
	}
	found := c.find(t, b.host, b.part)
	if len(found) == 0 {
		return nil
	}
	if b.part != "sshd" {
		found = found[:1]
	}
	if b.part == "rank" {
		r, known := rankOf(found[0])
		if !known {
			return nil
		}
		dead = []int{r}
	} else {
		dead = []int{2 * b.host, 2*b.host + 1}
	}
	for _, p := range found {
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && b.part != "sshd" {
			return nil // it has just ended: the blow before was for its host
		}
	}
	return dead
}

// rankOf reads a rank's number from its environment.
func rankOf(p testnet.Process) (rank int, known bool) {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
	if err != nil {
		return 0, false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if n, is := bytes.CutPrefix(kv, []byte("GRIDRUN_RANK=")); is {
			rank, err = strconv.Atoi(string(n))
			return rank, err == nil
		}
	}
	return 0, false
}
