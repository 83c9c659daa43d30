package job

import (
	"fmt"
	"strings"

	"gridrun/launcher/rankset"
)

// With Config.Continue a job goes on when ranks fail, are killed or are lost
// with their host:
//
//   - Everybody is told who is gone (wire.Gone, as always); nobody is stopped.
//   - What never ran ends the job all the same: a program that is not there, a
//     host that was not ready. So do an Abort, a signal, a time-out.
//   - A rank that was killed by a signal, or lost with its host, is dead and has
//     no exit code. All others are survivors, also one that has ended by itself
//     with a code of its own: the job's code is the highest of theirs. Where
//     nobody has survived, it is that of the first death.

// outlive notes a failure that the job goes on after; false when it does not.
func (m *Machine) outlive(c cause) bool {
	if !m.cfg.Continue || m.cause != nil || c.aborted || c.unstarted {
		return false
	}
	m.outlived = append(m.outlived, c)
	if c.dead() && m.alive > 0 {
		m.actions = append(m.actions, Tell{fmt.Sprintf("%s; %s", m.obituary(c), goOn(m.left()))})
	}
	return true
}

func goOn(n int) string {
	if n == 1 {
		return "1 rank goes on"
	}
	return fmt.Sprintf("%d ranks go on", n)
}

// left counts the ranks whose processes have not ended.
func (m *Machine) left() (n int) {
	for p := range m.procs {
		if !m.procs[p].ended {
			n += len(m.silent(p))
		}
	}
	return n
}

// dead says that its ranks had no say in how they ended.
func (c cause) dead() bool { return c.died || c.kind == byLoss }

// survived is the result of a job that went on.
func (m *Machine) survived() Result {
	dead, code := map[int]bool{}, 0
	for _, c := range m.outlived {
		for _, r := range c.ranks {
			dead[r] = dead[r] || c.dead()
		}
		if !c.dead() {
			code = max(code, c.code)
		}
	}
	gone := 0
	for _, d := range dead {
		if d {
			gone++
		}
	}
	if gone == len(m.holder) {
		code = m.outlived[0].code
	}
	return Result{Code: code, Summary: m.roll(), Again: code != 0}
}

// maxRoll is the most that a summary lists one by one.
const maxRoll = 8

// roll names whoever has not ended well: ranks that ended in the same way share
// an entry.
func (m *Machine) roll() string {
	var entries []string
	var all []int
	shared := map[string]int{} // text to its entry
	var who [][]int
	for _, c := range m.outlived {
		all = append(all, c.ranks...)
		if c.dead() {
			entries, who = append(entries, m.obituary(c)), append(who, nil)
			continue
		}
		i, known := shared[c.text]
		if !known {
			i = len(entries)
			shared[c.text] = i
			entries, who = append(entries, c.text), append(who, nil)
		}
		who[i] = append(who[i], c.ranks...)
	}
	for i, ranks := range who {
		if ranks == nil {
			continue
		}
		label := rankset.Label(ranks)
		entries[i] = label + colon(entries[i]) + strings.TrimPrefix(entries[i], label+": ")
	}
	if more := len(entries) - maxRoll; more > 0 {
		entries = append(entries[:maxRoll], fmt.Sprintf("and %d more", more))
	}
	if len(all) == 0 {
		return strings.Join(entries, "; ")
	}
	return fmt.Sprintf("%d of %d ranks did not end well: %s", len(all), len(m.holder), strings.Join(entries, "; "))
}

// colon stands between ranks and what they say; what they did follows as it is.
func colon(text string) string {
	if strings.HasPrefix(text, "exited with code ") {
		return " "
	}
	return ": "
}

// obituary says who died and how.
func (m *Machine) obituary(c cause) string {
	if c.kind == byLoss {
		text := fmt.Sprintf("host %s: %s%s", c.host, c.text, along(c.with))
		if len(c.ranks) > 0 {
			text += fmt.Sprintf(" (%s)", rankset.Label(c.ranks))
		}
		return text
	}
	return fmt.Sprintf("%s (host %s, pid %d) %s", rankset.Label(c.ranks), m.cfg.Hosts[m.cfg.Procs[c.proc].Host], m.procs[c.proc].pid, verb(c.text, len(c.ranks)))
}
