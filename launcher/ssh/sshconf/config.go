package sshconf

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kevinburke/ssh_config"
)

// A Target is a host as the user names it.
type Target struct {
	Name string
	User string // "": the configuration decides
	Port int    // 0: the configuration decides
}

func (t Target) String() string {
	text := t.Name
	if t.Port != 0 {
		text = JoinHostPort(t.Name, t.Port)
	}
	if t.User != "" {
		text = t.User + "@" + text
	}
	return text
}

// ParseTarget reads [user@]host[:port], ssh://[user@]host[:port], and IPv6
// addresses, in brackets when a port follows.
func ParseTarget(text string) (Target, error) {
	var t Target
	rest := strings.TrimPrefix(text, "ssh://")
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		t.User, rest = rest[:at], rest[at+1:]
		if t.User == "" {
			return t, fmt.Errorf("%q has no user before the @", text)
		}
	}
	port := ""
	switch {
	case strings.HasPrefix(rest, "["):
		end := strings.Index(rest, "]")
		if end < 0 || rest[end+1:] != "" && rest[end+1] != ':' {
			return t, fmt.Errorf("%q: brackets go around an IPv6 address, as in [::1]:22", text)
		}
		t.Name = rest[1:end]
		if rest[end+1:] != "" {
			port = rest[end+2:]
			if port == "" {
				port = "0"
			}
		}
	case strings.Count(rest, ":") == 1:
		t.Name, port, _ = strings.Cut(rest, ":")
		if port == "" {
			port = "0"
		}
	default:
		t.Name = rest
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%q: %q is no port", text, port)
		}
		t.Port = n
	}
	return t, t.Validate()
}

// Validate refuses what could mean something else in a command of OpenSSH, or in
// one that the user is told to try.
func (t Target) Validate() error {
	const never = " \t\r\n\x00'\"`$;&<>|()/[]"
	if t.Name == "" || t.Name[0] == '-' || strings.ContainsAny(t.Name, never+"\\@") {
		return fmt.Errorf("%q names no host", t.Name)
	}
	if strings.Contains(t.Name, ":") {
		if _, err := netip.ParseAddr(t.Name); err != nil {
			return fmt.Errorf("%q is no IPv6 address", t.Name)
		}
	}
	if t.User != "" && (t.User[0] == '-' || strings.ContainsAny(t.User, never)) {
		return fmt.Errorf("%q names no user", t.User)
	}
	if t.Port < 0 || t.Port > 65535 {
		return fmt.Errorf("%d is no port", t.Port)
	}
	return nil
}

// Strictness is what happens to a host key that known_hosts does not have.
type Strictness int

const (
	// Strict refuses unknown and changed keys: the default, also for "ask".
	Strict Strictness = iota
	// AcceptNew adds unknown keys to known_hosts and refuses changed ones.
	AcceptNew
	// AcceptAny takes every key.
	AcceptAny
)

// A Hop is how one host is reached from the one before it.
type Hop struct {
	Target     Target // as written
	Host       string // to look up and connect to
	User       string
	Port       int
	Identities []string // key files; those of OpenSSH's defaults need not exist
	// Explicit says that Identities come from the configuration.
	Explicit       bool
	IdentitiesOnly bool
	AgentSocket    string // "": no ssh-agent
	KnownHosts     []string
	KeyAlias       string // known_hosts has the host under this name
	Strict         Strictness
	ConnectTimeout time.Duration // 0: the default
	proxyCommand   string
}

// JoinHostPort is host:port.
func JoinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// Address is host:port.
func (h Hop) Address() string { return JoinHostPort(h.Host, h.Port) }

// Config is the user's ssh configuration.
type Config struct {
	Path  string // named by the user; "" otherwise
	files []*ssh_config.Config
	home  string
	user  string
}

// LoadConfig reads path alone if it is not "" ("none" is no file), otherwise
// ~/.ssh/config and /etc/ssh/ssh_config, where they exist.
func LoadConfig(path string) (*Config, error) {
	c := &Config{Path: path}
	c.home, _ = os.UserHomeDir()
	if u, err := user.Current(); err == nil {
		c.user = u.Username
		if c.home == "" {
			c.home = u.HomeDir
		}
	}
	if c.home == "" {
		c.home = "/nonexistent" // nobody's; not a path from where we happen to be
	}
	paths := []string{path}
	switch path {
	case "none":
		return c, nil
	case "":
		paths = []string{filepath.Join(c.home, ".ssh", "config"), "/etc/ssh/ssh_config"}
	}
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if path == "" && Absent(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ssh configuration: %w", err)
		}
		parsed, err := ssh_config.DecodeBytes(text)
		if err != nil {
			return nil, fmt.Errorf("ssh configuration %s: %w; `--launcher-command ssh` leaves it to OpenSSH, or name another file with --ssh-config", p, err)
		}
		c.files = append(c.files, parsed)
	}
	return c, nil
}

// Unread is the configuration in path ("": the user's own) for OpenSSH, which
// reads it itself and may understand more of it.
func Unread(path string) *Config { return &Config{Path: path} }

// Absent says that a file of the user's is not there: a home may be none at all.
func Absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// get is the first value of key for host; files that come first win.
func (c *Config) get(host, key string) (string, error) {
	for _, f := range c.files {
		v, err := f.Get(host, key)
		if err != nil || v != "" {
			return v, err
		}
	}
	return "", nil
}

func (c *Config) all(host, key string) ([]string, error) {
	var all []string
	for _, f := range c.files {
		v, err := f.GetAll(host, key)
		if err != nil {
			return nil, err
		}
		all = append(all, v...)
	}
	return all, nil
}

// maxHops bounds a route; more is a loop of ProxyJump.
const maxHops = 8

// Route is the way to a host: those to jump over, in order, then the host.
func (c *Config) Route(t Target) ([]Hop, error) { return c.route(t, true, 0) }

func (c *Config) route(t Target, mayJump bool, depth int) ([]Hop, error) {
	if depth > maxHops {
		return nil, fmt.Errorf("ProxyJump leads in a circle at %s", t.Name)
	}
	hop, err := c.hop(t)
	if err != nil {
		return nil, err
	}
	var route []Hop
	if mayJump {
		jumps, err := c.get(t.Name, "ProxyJump")
		if err != nil {
			return nil, err
		}
		if jumps != "" && !strings.EqualFold(jumps, "none") {
			hop.proxyCommand = ""
			for i, text := range strings.Split(jumps, ",") {
				jump, err := ParseTarget(strings.TrimSpace(text))
				if err != nil {
					return nil, fmt.Errorf("ProxyJump %s: %w", jumps, err)
				}
				// Only the first host of a list may have jumps of its own.
				hops, err := c.route(jump, i == 0, depth+1)
				if err != nil {
					return nil, err
				}
				route = append(route, hops...)
			}
		}
	}
	if hop.proxyCommand != "" {
		return nil, fmt.Errorf("the configuration has ProxyCommand for %s, which only OpenSSH itself can run: use --launcher-command ssh, or ProxyJump", t.Name)
	}
	return append(route, hop), nil
}

// hop reads everything about one host.
func (c *Config) hop(t Target) (Hop, error) {
	h := Hop{Target: t, User: t.User, Port: t.Port}
	var failed error
	get := func(key string) string {
		v, err := c.get(t.Name, key)
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s of %s: %w", key, t.Name, err)
		}
		return v
	}
	h.Host = expand(cmp.Or(get("HostName"), "%h"), map[byte]string{'h': t.Name})
	if h.User == "" {
		h.User = cmp.Or(get("User"), c.user)
	}
	if port := get("Port"); h.Port == 0 && port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return h, fmt.Errorf("the ssh configuration has Port %q for %s", port, t.Name)
		}
		h.Port = n
	}
	if h.Port == 0 {
		h.Port = 22
	}
	tokens := map[byte]string{
		'd': c.home, 'h': h.Host, 'n': t.Name, 'p': strconv.Itoa(h.Port), 'r': h.User, 'u': c.user,
	}
	file := func(name string) string {
		name = expand(strings.Trim(name, `"`), tokens)
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			name = filepath.Join(c.home, rest)
		}
		return name
	}
	identities, err := c.all(t.Name, "IdentityFile")
	if err != nil {
		return h, err
	}
	for _, name := range identities {
		if name = file(name); !slices.Contains(h.Identities, name) && !strings.EqualFold(name, "none") {
			h.Identities = append(h.Identities, name)
		}
	}
	h.Explicit = len(identities) > 0
	if !h.Explicit {
		for _, name := range []string{"id_rsa", "id_ecdsa", "id_ed25519"} {
			h.Identities = append(h.Identities, filepath.Join(c.home, ".ssh", name))
		}
	}
	h.IdentitiesOnly = strings.EqualFold(get("IdentitiesOnly"), "yes")
	switch socket := get("IdentityAgent"); {
	case socket == "" || socket == "SSH_AUTH_SOCK":
		h.AgentSocket = os.Getenv("SSH_AUTH_SOCK")
	case strings.EqualFold(socket, "none"):
	case strings.HasPrefix(socket, "$"):
		h.AgentSocket = os.Getenv(strings.Trim(socket, "${}"))
	default:
		h.AgentSocket = file(socket)
	}
	known := strings.Fields(cmp.Or(get("UserKnownHostsFile"), "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
	known = append(known, strings.Fields(cmp.Or(get("GlobalKnownHostsFile"), "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"))...)
	for _, name := range known {
		if !strings.EqualFold(name, "none") {
			h.KnownHosts = append(h.KnownHosts, file(name))
		}
	}
	h.KeyAlias = get("HostKeyAlias")
	switch strings.ToLower(get("StrictHostKeyChecking")) {
	case "accept-new":
		h.Strict = AcceptNew
	case "no", "off":
		h.Strict = AcceptAny
	}
	if text := get("ConnectTimeout"); text != "" && !strings.EqualFold(text, "none") {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 {
			return h, fmt.Errorf("the ssh configuration has ConnectTimeout %q for %s, which is not in seconds", text, t.Name)
		}
		h.ConnectTimeout = time.Duration(seconds) * time.Second
	}
	if command := get("ProxyCommand"); !strings.EqualFold(command, "none") {
		h.proxyCommand = command
	}
	return h, failed
}

// expand replaces %c by tokens[c] and %% by %. Unknown tokens stay.
func expand(text string, tokens map[byte]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+1 < len(text) {
			if text[i+1] == '%' {
				b.WriteByte('%')
				i++
				continue
			}
			if v, ok := tokens[text[i+1]]; ok {
				b.WriteString(v)
				i++
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
