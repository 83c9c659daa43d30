package job

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

type causeKind int

const (
	byFailure    causeKind = iota // a rank failed
	byCollateral                  // a rank failed because of another, which nobody has heard of
	bySignal                      // the user's signal
	byOutput                      // nobody takes our output
	byTimeout
	byLoss // an agent is gone
)

// A cause is why a job ends early.
type cause struct {
	kind    causeKind
	ranks   []int
	proc    int
	text    string
	code    int
	exit    bool // text is what a process did, not what a rank said
	aborted bool
	died    bool // by a signal: it had no say in its exit code
	// unstarted is what never ran: a program that is not there, a host that was
	// not ready.
	unstarted bool
	signal    int
	host      string
	behind    string   // the host that is to blame, through which this one is reached
	with      []string // hosts that are lost with this one, through which they are reached
}

// A Result is how the job ended.
type Result struct {
	Code int
	// Summary is for the user: one line, or "" when there is nothing to say.
	Summary string
	// Again says that the job has failed in a way that another start may not:
	// not by the user's wish, and not because it could not be started.
	Again bool
	// Lost are the hosts that were lost, by their index; sorted.
	Lost []int
}

// Result is meaningful when the job has ended.
func (m *Machine) Result() Result {
	c := m.cause
	if c == nil && len(m.collateral) > 0 {
		c = &m.collateral[0]
	}
	var r Result
	switch {
	case c != nil:
		r = Result{Code: c.code, Summary: m.summary(*c)}
		r.Again = c.code != 0 && (c.kind == byFailure || c.kind == byCollateral || c.kind == byLoss) && (!c.unstarted || c.kind == byLoss)
	case len(m.outlived) > 0:
		r = m.survived()
	}
	r.Again = r.Again && !m.asked
	for h := range m.hosts {
		if m.hosts[h].lost {
			r.Lost = append(r.Lost, h)
		}
	}
	return r
}

// maxWho is the longest list of ranks in a summary; a longer one gives way to
// their number.
const maxWho = 32

func (m *Machine) summary(c cause) string {
	switch c.kind {
	case bySignal:
		return fmt.Sprintf("ended by %s%s", SignalName(c.signal), m.others(0))
	case byOutput:
		if c.text == "" {
			return ""
		}
		return c.text + m.others(0)
	case byTimeout:
		return c.text + m.others(0)
	case byLoss:
		if c.unstarted && len(m.refused) > 1 {
			return m.refusal()
		}
		return fmt.Sprintf("host %s: %s%s", c.host, c.text, along(c.with))
	}
	// Everybody who failed in the same way shares the line.
	same := c
	same.ranks = nil
	procs := map[int]bool{}
	for _, other := range append(m.failures, m.collateral...) {
		if other.kind == c.kind && other.text == c.text && other.code == c.code {
			same.ranks = append(same.ranks, other.ranks...)
			procs[other.proc] = true
		}
	}
	who := rankset.Label(same.ranks)
	if len(who) > maxWho {
		who = fmt.Sprintf("%d of %d ranks", len(same.ranks), len(m.holder))
	}
	switch {
	case c.aborted:
		return fmt.Sprintf("%s ended the job with code %d: %s", who, c.code, c.text)
	case !c.exit:
		return fmt.Sprintf("%s: %s", who, strings.TrimPrefix(c.text, who+": "))
	}
	return fmt.Sprintf("%s%s %s%s", who, m.where(c, procs), verb(c.text, len(same.ranks)), m.others(len(procs)))
}

// where is the host and the pid of the process that failed; of several, their hosts.
func (m *Machine) where(c cause, procs map[int]bool) string {
	if len(procs) == 1 {
		return fmt.Sprintf(" (host %s, pid %d)", m.cfg.Hosts[m.cfg.Procs[c.proc].Host], m.procs[c.proc].pid)
	}
	var names []string
	for _, p := range slices.Sorted(maps.Keys(procs)) {
		if name := m.cfg.Hosts[m.cfg.Procs[p].Host]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return fmt.Sprintf(" (host %s)", names[0])
	}
	return fmt.Sprintf(" (hosts %s)", place.FoldHosts(names))
}

// verb makes what a rank did what n of them did.
func verb(text string, n int) string {
	if n > 1 {
		text = strings.Replace(text, "was killed", "were killed", 1)
	}
	return text
}

// maxReasons is the most lines about hosts that could not be started.
const maxReasons = 8

// refusal names all hosts that could not be started, those with the same reason
// together. Those that were to be reached through one of these are counted.
func (m *Machine) refusal() string {
	var f place.Folded
	named := map[string]bool{}
	for _, c := range m.refused {
		named[c.host] = named[c.host] || c.behind == ""
	}
	behind := 0
	for _, c := range m.refused {
		if named[c.behind] {
			behind++
			continue
		}
		f.Add(c.host, "", c.text)
	}
	lines := f.Lines()
	if behind > 0 {
		through := fmt.Sprintf("%d hosts are reached through %s", behind, map[bool]string{true: "it", false: "these"}[len(m.refused)-behind == 1])
		if behind == 1 {
			through = strings.Replace(through, "hosts are", "host is", 1)
		}
		if len(m.refused)-behind == 1 {
			return fmt.Sprintf("host %s\n  %s", lines[0], through)
		}
		lines = append(lines, through)
	}
	if len(lines) == 1 {
		return "hosts " + lines[0]
	}
	if more := len(lines) - maxReasons; more > 0 {
		lines = append(lines[:maxReasons], fmt.Sprintf("and %d more reasons", more))
	}
	return fmt.Sprintf("%d of %d hosts could not be started:\n  %s", len(m.refused), len(m.hosts), strings.Join(lines, "\n  "))
}

// others counts the ranks that had started and ended because the agent stopped them; failed
// says how many processes do not count as others.
func (m *Machine) others(failed int) string {
	n, none := 0, true
	for p := range m.procs {
		none = none && !m.procs[p].ran
		if m.procs[p].exit.Stop && m.procs[p].ran {
			n += len(m.cfg.Procs[p].Ranks)
		}
	}
	noun := "ranks"
	if n == 1 {
		noun = "rank"
	}
	switch {
	case none && failed == 0:
		return "; no rank had started"
	case n == 0:
		return ""
	case failed > 0:
		return fmt.Sprintf("; %d other %s stopped", n, noun)
	}
	return fmt.Sprintf("; %d %s stopped", n, noun)
}

// wireCause is what ranks are told.
func (m *Machine) wireCause(c cause) wire.Failure {
	f := wire.Failure{Rank: -1, Host: c.host, Code: c.code, Text: c.text, Peer: -1, Aborted: c.aborted}
	switch c.kind {
	case byFailure, byCollateral:
		f.Rank = c.ranks[0]
		f.Host = m.cfg.Hosts[m.cfg.Procs[c.proc].Host]
		f.Collateral = c.kind == byCollateral
	case bySignal:
		f.Text = "ended by " + SignalName(c.signal)
	case byOutput:
		f.Text = "nobody reads the output"
	case byLoss:
		f.Text = "host " + c.host + ": " + c.text
	}
	return f
}

func exitText(e wire.Exit) string {
	switch {
	case e.Error != "":
		return e.Error
	case e.Signal != 0:
		return fmt.Sprintf("was killed by signal %d (%s)", e.Signal, SignalName(e.Signal))
	}
	return fmt.Sprintf("exited with code %d", e.Code)
}

// outputCode is the exit code when output goes nowhere: a reader that left is
// what SIGPIPE stands for, anything else is our failure.
func outputCode(why string) int {
	if why == "" {
		return 128 + int(unix.SIGPIPE)
	}
	return 125
}

// SignalName is SIGKILL for 9, and the number where it has no name.
func SignalName(n int) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", n)
}
