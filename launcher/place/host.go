package place

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"unicode"
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

// A hostWord is a word that stands for hosts, [user@]name[:tail], taken apart.
type hostWord struct {
	user, name string
	tail       string // behind the colon: slots in a host list, a port in a rankfile
	tailed     bool
}

// splitHost takes a word apart. An IPv6 address stands in brackets, or without
// them where nothing follows: `fe80::1:4` is an address and has no tail. The
// name may still hold ranges.
func splitHost(word string) (hostWord, error) {
	var w hostWord
	rest := word
	if at := strings.LastIndexByte(word, '@'); at >= 0 {
		w.user, rest = word[:at], word[at+1:]
		if err := checkUser(w.user); err != nil {
			return w, err
		}
	}
	inside, behind, closed := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	switch {
	case rest != "" && rest[0] == '[' && closed && strings.Contains(inside, ":"):
		w.name = inside
		w.tail, w.tailed = strings.CutPrefix(behind, ":")
		if !w.tailed && behind != "" {
			return w, fmt.Errorf("%q has %q behind the address; only a colon and a number can stand there, as in [%s]:4", word, behind, inside)
		}
		return w, checkIPv6(w.name)
	case strings.Count(rest, ":") > 1:
		w.name = rest
		return w, checkIPv6(w.name)
	}
	w.name, w.tail, w.tailed = strings.Cut(rest, ":")
	return w, checkName(w.name)
}

// isIPv6 tells an address from a name that has passed splitHost.
func isIPv6(name string) bool { return strings.Contains(name, ":") }

func checkIPv6(text string) error {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() {
		return fmt.Errorf("%q is no IPv6 address, and a name has one colon at most, as in node1:4", text)
	}
	if zone := a.Zone(); strings.ContainsFunc(zone, func(c rune) bool { return !nameChar(c) }) {
		return fmt.Errorf("%q is no IPv6 address: %q is not the name of an interface", text, zone)
	}
	return nil
}

func nameChar(c rune) bool {
	return c != unicode.ReplacementChar && (unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune(".-_", c))
}

// checkName says what cannot be the name of a host: it may become a word of a
// command line (so no leading dash) and part of a message (no odd characters).
// Brackets and what they hold are expand's business.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%q is no host name; write one like node1 or 10.0.0.7", name)
	case strings.ContainsRune("-.", rune(name[0])):
		return fmt.Errorf("%q is no host name: it starts with %q", name, name[:1])
	}
	for _, c := range name {
		if !nameChar(c) && !strings.ContainsRune("[],", c) {
			return fmt.Errorf("%q is no host name: %q cannot stand in one", name, c)
		}
	}
	return nil
}

func checkUser(user string) error {
	if user == "" || user[0] == '-' || len(user) > maxName {
		return fmt.Errorf("%q is no user name; write it as in bob@node1 or user=bob", user)
	}
	for _, c := range user {
		if !nameChar(c) && !strings.ContainsRune(`+@\`, c) {
			return fmt.Errorf("%q is no user name: %q cannot stand in one", user, c)
		}
	}
	return nil
}

func parseSlots(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 || n > MaxSlots {
		return 0, fmt.Errorf("%q slots; a host has 1 to %d", text, MaxSlots)
	}
	return int(n), nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port; it is a number of 1 to 65535", text)
	}
	return int(n), nil
}
