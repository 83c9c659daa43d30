package place

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// MaxSlots bounds the slots of one host.
const MaxSlots = 1 << 16

// A Host can run ranks.
type Host struct {
	// Name is what the user wrote, without user and port: a name that is looked
	// up, an IPv4 address or an IPv6 address (without brackets).
	Name string
	User string // who to log in as; "": not said
	Port int    // of its ssh server; 0: not said
	// Slots is how many ranks the host takes; 0: not said, its CPUs decide.
	Slots int
	// MaxSlots bounds the ranks of an oversubscribed host; 0: no bound.
	MaxSlots int
}

// Local says whether the host is this machine: only `localhost` and the
// machine's own name are, and only without a user and a port. Any other
// address, 127.0.0.2 too, is another host.
func (h Host) Local() bool {
	if h.User != "" || h.Port != 0 {
		return false
	}
	if h.Name == "localhost" {
		return true
	}
	own, err := os.Hostname()
	return err == nil && h.Name == own
}

// String is the host in messages: user@name:port, with what is said of it. A
// port stands behind an IPv6 address in brackets: [fe80::1]:22.
func (h Host) String() string {
	text := h.Name
	if h.Port != 0 {
		text = net.JoinHostPort(h.Name, strconv.Itoa(h.Port))
	}
	if h.User != "" {
		text = h.User + "@" + text
	}
	return text
}

// ParseHosts reads a list `a:4,b,c:2`: names with slots. A name that occurs
// again adds its slots.
func ParseHosts(list string) ([]Host, error) {
	var hosts []Host
	for part := range strings.SplitSeq(list, ",") {
		h, err := parseHost(part)
		if err != nil {
			return nil, fmt.Errorf("host list %q: %w", list, err)
		}
		hosts = add(hosts, h)
	}
	return hosts, nil
}

// ParseHostfile reads one host a line, `name slots=4` or `name:4`; # starts a
// comment. A host that occurs again adds its slots. name is for messages.
func ParseHostfile(name string, r io.Reader) ([]Host, error) {
	var hosts []Host
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		h, err := parseHost(words[0])
		for _, word := range words[1:] {
			if err != nil {
				break
			}
			key, value, ok := strings.Cut(word, "=")
			switch {
			case !ok || key != "slots":
				err = fmt.Errorf("%q is not understood; a line is `name slots=4`", word)
			case h.Slots != 0:
				err = fmt.Errorf("%s has its slots twice", h.Name)
			default:
				h.Slots, err = parseSlots(value)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		hosts = add(hosts, h)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("%s names no host", name)
	}
	return hosts, nil
}

func parseHost(word string) (Host, error) {
	name, slots, counted := strings.Cut(word, ":")
	h := Host{Name: name}
	for _, c := range name {
		if c <= ' ' || c == 0x7f || strings.ContainsRune(`,=:"'\/`, c) {
			return h, fmt.Errorf("%q is no host name", name)
		}
	}
	if name == "" || name[0] == '-' {
		return h, fmt.Errorf("%q is no host name", name)
	}
	if !counted {
		return h, nil
	}
	n, err := parseSlots(slots)
	h.Slots = n
	return h, err
}

func parseSlots(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 || n > MaxSlots {
		return 0, fmt.Errorf("%q slots; a host has 1 to %d", text, MaxSlots)
	}
	return int(n), nil
}

// add appends h, or adds its slots to the host of the same name. A mention
// without slots counts for one where others count.
func add(hosts []Host, h Host) []Host {
	for i := range hosts {
		if hosts[i].Name == h.Name {
			hosts[i].Slots = min(max(hosts[i].Slots, 1)+max(h.Slots, 1), MaxSlots)
			return hosts
		}
	}
	return append(hosts, h)
}
