package sshconn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gridrun/launcher/agents"
)

// openssh is a connection by the system's OpenSSH: one process for the agent,
// and one for each SFTP client.
type openssh struct {
	arguments []string // up to and including the host

	mu      sync.Mutex
	closed  bool
	running map[*Process]func() // with what ends each
}

// NewOpenSSH connects to t by command, which reads the file config instead of the
// user's own unless that is "".
func NewOpenSSH(command, config string, t sshconf.Target) Connection {
	return &openssh{arguments: OpenSSHCommand(command, config, t), running: map[*Process]func(){}}
}

// OpenSSHCommand is the command up to and including the host.
func OpenSSHCommand(command, config string, t sshconf.Target) []string {
	arguments := append(strings.Fields(command), "-o", "BatchMode=yes", "-T")
	if config != "" {
		arguments = append(arguments, "-F", config)
	}
	return append(arguments, OpenSSHTarget(t)...)
}

// OpenSSHTarget is how a command of OpenSSH names t.
func OpenSSHTarget(t sshconf.Target) (arguments []string) {
	if t.Port != 0 {
		arguments = append(arguments, "-p", strconv.Itoa(t.Port))
	}
	if t.User != "" {
		arguments = append(arguments, "-l", t.User)
	}
	return append(arguments, t.Name)
}

func (o *openssh) Exec(command string) (*Process, error) { return o.run(nil, command) }

// run starts OpenSSH with flags before the host and words after it. It has a
// session of its own: a terminal's signals are the launcher's, and nothing may
// ask there for a password.
func (o *openssh) run(flags []string, words ...string) (*Process, error) {
	arguments := append([]string{}, o.arguments[1:len(o.arguments)-1]...)
	arguments = append(append(arguments, flags...), "--", o.arguments[len(o.arguments)-1])
	cmd := exec.Command(o.arguments[0], append(arguments, words...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := &Process{Said: new(agents.Tail)}
	cmd.Stderr = p.Said
	// A ProxyCommand may hold standard error for longer than ssh lives.
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, agents.ErrCut
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running %s: %w", o.arguments[0], err)
	}
	p.In, p.Out = in, &ended{r: out}
	p.Kill = func() {
		cmd.Process.Kill()
		in.Close()
		out.Close()
	}
	o.running[p] = p.Kill
	p.Wait = sync.OnceValue(func() error {
		err := cmd.Wait()
		o.mu.Lock()
		delete(o.running, p)
		closed := o.closed
		o.mu.Unlock()
		var exit *exec.ExitError
		switch {
		case errors.Is(err, exec.ErrWaitDelay):
			return nil
		case errors.As(err, &exit) && (closed || exit.ExitCode() == 255):
			return fmt.Errorf("%w (%s: %v)", agents.ErrCut, o.arguments[0], exit) // OpenSSH's own failure, which it has explained
		}
		return err
	})
	return p, nil
}

// ended reads until the end; a pipe that we closed ourselves has ended too.
type ended struct{ r io.Reader }

func (e *ended) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func (o *openssh) Subsystem(name string) (*Process, error) { return o.run([]string{"-s"}, name) }

func (o *openssh) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, end := range o.running {
		end()
	}
}

// Over is not known: every process has a connection of its own.
func (o *openssh) Over() bool { return false }

func (o *openssh) Join() {
	o.Close()
	o.mu.Lock()
	left := slices.Collect(maps.Keys(o.running))
	o.mu.Unlock()
	for _, p := range left {
		p.Wait()
	}
}

// OpenSSHName asks OpenSSH which name it would look up for t. "" when it goes
// through a proxy or another host.
func OpenSSHName(ctx context.Context, command, config string, t sshconf.Target, limit time.Duration) (string, error) {
	arguments := OpenSSHCommand(command, config, t)
	last := len(arguments) - 1
	arguments = append(append(arguments[:last:last], "-G", "--"), arguments[last])
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	text, err := exec.CommandContext(ctx, arguments[0], arguments[1:]...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%s -G: %s", arguments[0], bytes.TrimSpace(exit.Stderr))
		}
		return "", err
	}
	name := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		switch key {
		case "hostname":
			name = value
		case "proxyjump", "proxycommand":
			if value != "none" {
				return "", nil
			}
		}
	}
	return name, nil
}
