package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/script"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshkeys"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gridrun/internal/agent"
	hostguard "gridrun/internal/agent/guard"
	"gridrun/internal/needs"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/ship"
)

// TestMain makes the test binary an agent when it is started as one: it greets,
// echoes its input, and ends as told. As __real it is gridrun's own agent.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "__real" {
		os.Exit(hostguard.Main())
	}
	if len(os.Args) == 2 && os.Args[1] == "__agent" {
		os.Exit(agent.Main())
	}
	if len(os.Args) == 3 && os.Args[1] == relayVerb {
		runRelay()
	}
	if len(os.Args) == 2 && os.Args[1] == "__guard" {
		os.Stdout.WriteString("agent\n")
		var line []byte
		one := make([]byte, 1)
		for {
			if n, _ := os.Stdin.Read(one); n == 0 {
				os.Exit(0)
			}
			line = append(line, one[0])
			if one[0] != '\n' {
				continue
			}
			if string(line) == "fail\n" {
				os.Stderr.WriteString("something broke\n")
				os.Exit(7)
			}
			os.Stdout.Write(line)
			line = line[:0]
		}
	}
	os.Exit(m.Run())
}

// pair is a new key: private in file, public beside it.
func pair(t testing.TB, file, passphrase string) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, file, key, passphrase)
}

func writeKey(t testing.TB, file string, key any, passphrase string) ssh.Signer {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
	write(t, file+".pub", string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	return signer
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A sshd is OpenSSH's server for one test, and all that a client of it needs.
type sshd struct {
	dir, home string
	ip        string
	port      int
	hostKey   ssh.Signer
	userKey   ssh.Signer
	known     string // known_hosts
	config    string // ssh_config
	pid       int
}

// newSSHD starts a server on an address of its own under 127. more is appended
// to its configuration.
func newSSHD(t testing.TB, ip string, more ...string) *sshd {
	t.Helper()
	return newSSHDBehind(t, nil, ip, more...)
}

// newSSHDBehind starts the server with words before its command.
func newSSHDBehind(t testing.TB, before []string, ip string, more ...string) *sshd {
	t.Helper()
	needs.Root(t, "an sshd that lets root in")
	if !strings.Contains(os.Getenv("PATH"), "/usr/sbin") {
		os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	}
	program := needs.Command(t, "sshd", "openssh-server")
	os.MkdirAll("/run/sshd", 0o755)
	if !strings.Contains(strings.Join(more, " "), "Subsystem") {
		more = append(more, "Subsystem sftp internal-sftp")
	}
	s := &sshd{dir: t.TempDir(), ip: ip}
	s.home = filepath.Join(s.dir, "home")
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	s.hostKey = pair(t, filepath.Join(s.dir, "host_key"), "")
	s.userKey = pair(t, filepath.Join(s.dir, "id"), "")
	write(t, filepath.Join(s.dir, "authorized"), string(ssh.MarshalAuthorizedKey(s.userKey.PublicKey())))

	for try := 0; ; try++ {
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			t.Fatal(err)
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		l.Close()
		write(t, filepath.Join(s.dir, "sshd_config"), strings.Join(append([]string{
			"ListenAddress " + ip, fmt.Sprint("Port ", s.port),
			"HostKey " + filepath.Join(s.dir, "host_key"),
			"AuthorizedKeysFile " + filepath.Join(s.dir, "authorized"),
			"PidFile none", "StrictModes no", "UsePAM no", "PermitRootLogin yes", "PasswordAuthentication no",
			"SetEnv HOME=" + s.home + " GORACE=atexit_sleep_ms=0", "LogLevel ERROR",
		}, more...), "\n")+"\n")
		words := append(slices.Clone(before), program, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
		cmd := exec.Command(words[0], words[1:]...)
		var said agents.Tail
		cmd.Stderr = &said
		cmd.WaitDelay = time.Second // sessions that a failed test leaves behind hold it too
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		if !s.answers(ended) {
			if try < 3 {
				continue
			}
			t.Fatalf("sshd does not start: %s", said.String())
		}
		t.Cleanup(func() { cmd.Process.Kill(); <-ended })
		s.pid = cmd.Process.Pid
		break
	}
	s.known = filepath.Join(s.dir, "known_hosts")
	write(t, s.known, knownLine(ip, s.port, s.hostKey.PublicKey()))
	s.config = filepath.Join(s.dir, "ssh_config")
	write(t, s.config, fmt.Sprintf("Host *\n  User root\n  Port %d\n  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n", s.port, filepath.Join(s.dir, "id"), s.known))
	return s
}

func knownLine(host string, port int, key ssh.PublicKey) string {
	return fmt.Sprintf("[%s]:%d %s", host, port, ssh.MarshalAuthorizedKey(key))
}

// answers waits until the server shows its key: another test's may have taken
// the port just before, and then this one ends.
func (s *sshd) answers(ended chan struct{}) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		select {
		case <-ended:
			return false
		default:
		}
		ours := errors.New("that is ours") // enough, nobody logs in
		_, err := ssh.Dial("tcp", s.address(), &ssh.ClientConfig{Timeout: time.Second, HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if sshkeys.SameKey(key, s.hostKey.PublicKey()) {
				return ours
			}
			return errors.New("that is another's")
		}})
		if errors.Is(err, ours) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func (s *sshd) address() string { return sshconf.JoinHostPort(s.ip, s.port) }

// starter connects to s; change may alter its options.
func (s *sshd) starter(t testing.TB, change func(*Options)) *Starter {
	t.Helper()
	config, err := sshconf.LoadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Config: config, Agent: agentBinary}
	if change != nil {
		change(&options)
	}
	starter, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	starter.dialer.Pause = time.Millisecond
	return starter
}

var agentBinary = ship.Self(script.AgentName, nil)

// say sends a line to the agent and wants it back.
func say(t testing.TB, agent io.ReadWriter, line, want string) {
	t.Helper()
	if _, err := io.WriteString(agent, line); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(agent, got); err != nil || string(got) != want {
		t.Fatalf("the agent says %q, %v; want %q", got, err, want)
	}
}

// use starts the agent on s, talks to it, and ends it well.
func use(t testing.TB, starter *Starter, s *sshd) *Agent {
	t.Helper()
	a, err := starter.Start(context.Background(), place.Host{Name: s.ip})
	if err != nil {
		t.Fatal(err)
	}
	agent := a.(*Agent)
	say(t, agent, "", "agent\n")
	say(t, agent, "hello\n", "hello\n")
	end(t, agent)
	return agent
}

// end closes the agent's input and wants a good end.
func end(t testing.TB, agent *Agent) {
	t.Helper()
	agent.process.In.Close()
	if rest, err := io.ReadAll(agent); err != nil || len(rest) > 0 {
		t.Fatalf("after the end: %q, %v", rest, err)
	}
	if err := agent.Wait(); err != nil {
		t.Fatal(err)
	}
}

// quiet checks that no goroutine stays.
func quiet(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<17)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

// wants checks that err has every part.
func wants(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error lacks %q:\n%v", p, err)
		}
	}
}

// notices collects lines.
type notices struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notices) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text.WriteString(line + "\n")
}

func (n *notices) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// gone waits for the end of a process.
func gone(t testing.TB, pid string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join("/proc", pid)); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s is still there", pid)
		}
	}
}
