package check

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/internal/cpuset"
	"gridrun/launcher/place"
)

// A Report is the state of all hosts, in the order they were given.
type Report struct {
	Hosts []Host `json:"hosts"`
}

// OK says that a job could run on all hosts.
func (r *Report) OK() bool {
	for i := range r.Hosts {
		if r.Hosts[i].Error != "" || r.Hosts[i].Facts.NoPort != "" && len(r.Hosts) > 1 {
			return false
		}
	}
	return len(r.unreached()) == 0
}

// Print shows the report as text.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "host\tssh\tsystem\tCPUs\tmemory free\tdisk free\tclock\tgridrun")
	for i := range r.Hosts {
		h := &r.Hosts[i]
		if h.Error != "" && h.Facts == nil {
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\t-\t-\tfailed, see below\n", h.Name)
			continue
		}
		f := h.Facts
		fmt.Fprintf(t, "%s\t%s\t%s/%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, or(h.Address, "none"), f.OS, f.Arch, cpus(f.CPUs, f.Usable),
			bytesText(f.Memory), bytesText(f.Disk), clock(h.Clock, h.Unsure), or(h.Gridrun, "this machine's"))
	}
	t.Flush()
	for _, line := range slices.Concat(r.failures(), r.network()) {
		fmt.Fprintln(w, line)
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// cpus is the number of CPUs, and of those that a quota lets be used at once.
func cpus(list string, usable int) string {
	set, err := cpuset.Parse(list)
	if err != nil || len(set) <= usable {
		return fmt.Sprint(max(len(set), usable))
	}
	return fmt.Sprintf("%d, quota %d", len(set), usable)
}

func bytesText(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n >= 10e9:
		return fmt.Sprintf("%d GB", n/1e9)
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%d MB", n/1e6)
}

// clock is the difference if it is more than what cannot be known.
func clock(ahead, unsure time.Duration) string {
	if ahead.Abs() <= unsure+time.Millisecond {
		return "same"
	}
	return fmt.Sprintf("%+v", ahead.Round(time.Millisecond))
}

// failures are the hosts that failed, those with the same reason in one line.
func (r *Report) failures() []string {
	var f place.Folded
	for i := range r.Hosts {
		h := &r.Hosts[i]
		if h.Error != "" {
			f.Add(h.Name, h.Address, h.Error)
		} else if h.Facts.NoPort != "" {
			f.Add(h.Name, "", h.Facts.NoPort)
		}
	}
	return f.Lines()
}

// way is one direction between two hosts.
type way struct{ from, to int }

// unreached are the pairs without an address that works, with what became of each.
func (r *Report) unreached() map[way][]string {
	bad := map[way][]string{}
	for from := range r.Hosts {
		f := r.Hosts[from].Facts
		if r.Hosts[from].Error != "" || f.NoPort != "" {
			continue
		}
		works := map[int]bool{}
		for _, w := range r.Hosts[from].Ways {
			works[w.Host] = works[w.Host] || w.Error == ""
		}
		for to := range r.Hosts {
			if g := r.Hosts[to].Facts; to == from || r.Hosts[to].Error != "" || g.NoPort != "" || works[to] {
				continue
			}
			bad[way{from, to}] = []string{}
			for _, w := range r.Hosts[from].Ways {
				if w.Host == to {
					bad[way{from, to}] = append(bad[way{from, to}], w.Addr+": "+w.Error)
				}
			}
		}
	}
	return bad
}

// network says who reaches whom.
func (r *Report) network() []string {
	ready := 0
	for i := range r.Hosts {
		if r.Hosts[i].Error == "" && r.Hosts[i].Facts.NoPort == "" {
			ready++
		}
	}
	if ready < 2 {
		return nil
	}
	bad := r.unreached()
	var lines []string
	if len(bad) == 0 {
		lines = append(lines, fmt.Sprintf("all %d hosts reach each other%s", ready, r.over()))
	}
	for from := range r.Hosts {
		var f place.Folded
		for to := range r.Hosts {
			if tried, ok := bad[way{from, to}]; ok {
				var reasons []string
				for _, t := range tried {
					_, why, _ := strings.Cut(t, ": ")
					reasons = append(reasons, why)
				}
				f.AddReason(r.Hosts[to].Name, strings.Join(reasons, ", "), "tried "+strings.Join(tried, ", "))
			}
		}
		for _, line := range f.Lines() {
			lines = append(lines, r.Hosts[from].Name+" does not reach "+line)
		}
	}
	return append(lines, r.deadAddresses(bad)...)
}

// over is the network that every pair's first working address is in.
func (r *Report) over() string {
	common := ""
	for from := range r.Hosts {
		seen := map[int]bool{}
		for _, w := range r.Hosts[from].Ways {
			if w.Error != "" || seen[w.Host] {
				continue
			}
			seen[w.Host] = true
			network := networkOf(w.Addr, r.Hosts[w.Host].Facts.Nets)
			if common != "" && network != common {
				return ""
			}
			common = network
		}
	}
	if common == "" {
		return ""
	}
	return " over " + common
}

// networkOf is the one of a host's interfaces' networks that an address is in.
func networkOf(addr string, nets []string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ""
	}
	for _, text := range nets {
		if p, err := netip.ParsePrefix(text); err == nil && p.Addr() == at.Addr() {
			return p.Masked().String()
		}
	}
	return at.Addr().String()
}

// deadAddresses are those that lead nowhere between hosts that reach each other
// by another one.
func (r *Report) deadAddresses(bad map[way][]string) []string {
	var f place.Folded
	for from := range r.Hosts {
		for _, w := range r.Hosts[from].Ways {
			if _, is := bad[way{from, w.Host}]; w.Error == "" || is {
				continue
			}
			host, _, _ := strings.Cut(w.Addr, ":")
			if at, err := netip.ParseAddrPort(w.Addr); err == nil {
				host = at.Addr().String()
			}
			reason := "address " + host + " leads nowhere: " + w.Error
			f.AddReason(r.Hosts[w.Host].Name, reason, reason)
		}
	}
	lines := f.Lines()
	for i := range lines {
		lines[i] += "; another one works"
	}
	return lines
}
