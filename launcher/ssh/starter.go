package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh/script"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"gridrun/launcher/ssh/sshkeys"
)

// Options of a Starter. Only Agent is needed.
type Options struct {
	// Agent is the agent's binary for the platform of a host.
	Agent ship.Source
	// Config says how to reach hosts; nil: the user's own.
	Config *sshconf.Config
	// Command is the OpenSSH client to run, as a command with arguments (`ssh`);
	// "": connect with x/crypto/ssh.
	Command string
	// Parallel is how many hosts are being started at once, PerAddress how many
	// of those connections to one address are not yet authenticated: sshd drops
	// some when there are ten (MaxStartups). 0: 64 and 8.
	Parallel, PerAddress int
	Deadlines            sshconn.Deadlines
	// Dir is the first choice for the cache directory on hosts; "": the host's
	// $GRIDRUN_HOME, or ~/.cache/gridrun.
	Dir string
	// Notice is given a line that the user should see; nil: nobody is told.
	Notice func(text string)
	// Progress is told of bytes shipped to a host; nil: nobody is told.
	Progress func(host string, done, total int64)
}

// perAddress is how many connections to one address are not yet authenticated.
const perAddress = 8

// A Starter starts agents through ssh. It is an agents.Starter.
type Starter struct {
	options Options
	names   *sshconn.Names
	dialer  *sshconn.Dialer
	limit   chan struct{}

	mu     sync.Mutex
	timing []Timing
	tree   *tree // nil: every host is connected to directly
}

// A Timing says how long one host took to have its agent.
type Timing struct {
	Host    string
	Connect time.Duration // name, connection, handshake and authentication
	Total   time.Duration
	Shipped bool
}

var _ agents.Starter = (*Starter)(nil)

// New makes a Starter.
func New(options Options) (*Starter, error) {
	if options.Agent == nil {
		return nil, errors.New("ssh: Options.Agent is missing")
	}
	if options.Config == nil {
		var err error
		if options.Config, err = sshconf.LoadConfig(""); err != nil {
			if options.Command == "" {
				return nil, err
			}
			options.Config = sshconf.Unread("")
		}
	}
	if options.Command != "" {
		words := strings.Fields(options.Command)
		if len(words) == 0 {
			return nil, errors.New("--launcher-command is blank; it is a command like `ssh -4`, or left out")
		}
		if _, err := exec.LookPath(words[0]); err != nil {
			return nil, fmt.Errorf("--launcher-command: %w; it is a command like `ssh -4`, or left out", err)
		}
	}
	if options.Parallel <= 0 {
		options.Parallel = 64
	}
	if options.PerAddress <= 0 {
		options.PerAddress = perAddress
	}
	if options.Notice == nil {
		options.Notice = func(string) {}
	}
	options.Deadlines = options.Deadlines.WithDefaults()
	n := sshconn.NewNames(sshconn.SystemLookup)
	return &Starter{
		options: options,
		names:   n,
		dialer:  sshconn.NewDialer(options.PerAddress, options.Deadlines, n),
		limit:   make(chan struct{}, options.Parallel),
	}, nil
}

// target is the host as ssh knows it. What comes with the host wins.
func (s *Starter) target(h place.Host) (sshconf.Target, error) {
	t, err := sshconf.ParseTarget(h.Name)
	if err != nil {
		return t, err
	}
	t.User, t.Port = cmp.Or(h.User, t.User), cmp.Or(h.Port, t.Port)
	return t, t.Validate()
}

// Start connects to the host and starts the agent there, after bringing it where
// it is missing. What comes back is an *Agent.
func (s *Starter) Start(ctx context.Context, host place.Host) (agents.Agent, error) {
	began := time.Now()
	h, shared, leave, err := s.hold(ctx, host)
	if err != nil {
		return nil, err
	}
	connected := time.Since(began)
	agent, shipped, err := h.start(ctx, guard)
	if err != nil {
		leave()
		return nil, err
	}
	agent.held, agent.leave, agent.shared = false, leave, shared
	agent.address, agent.brought = h.address, shipped
	s.mu.Lock()
	s.timing = append(s.timing, Timing{Host: host.Name, Connect: connected, Total: time.Since(began), Shipped: shipped})
	s.mu.Unlock()
	return agent, nil
}

// Slowest is how long the n slowest of the started hosts took, slowest first.
func (s *Starter) Slowest(n int) []Timing {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.timing)
	slices.SortStableFunc(all, func(a, b Timing) int { return int(b.Total - a.Total) })
	return all[:min(max(n, 0), len(all))]
}

// advice is what the user may do about e.
func (s *Starter) advice(e *sshconn.Error, host place.Host) string {
	var key *sshkeys.HostKeyError
	if errors.As(e.Err, &key) {
		return "" // the message has the command
	}
	t, err := s.target(host)
	if err != nil {
		return ""
	}
	var command []string
	switch {
	case s.options.Command != "":
		command = sshconn.OpenSSHCommand(s.options.Command, s.options.Config.Path, t)
	default:
		command = []string{"ssh", "-o", "BatchMode=yes"}
		if s.options.Config.Path != "" {
			command = append(command, "-F", s.options.Config.Path)
		}
		command = append(command, sshconn.OpenSSHTarget(t)...)
	}
	if e.Stage == sshconn.StageConnect || e.Stage == sshconn.StageHandshake {
		command = slices.Insert(command, 1, "-v")
	}
	for i, word := range command {
		command[i] = script.Quote(word)
	}
	probe := strings.Join(command, " ")
	switch e.Stage {
	case sshconn.StageResolve:
		return "check the spelling in the host list, and HostName in ~/.ssh/config"
	case sshconn.StageConnect, sshconn.StageHandshake:
		return probe + " true"
	case sshconn.StageAuth:
		return probe + " true; ssh-copy-id brings a key to the host, ssh-add opens one for ssh-agent"
	case sshconn.StageExec:
		return probe + " uname -a"
	}
	return ""
}
