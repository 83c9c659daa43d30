package ssh

import (
	"errors"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshkeys"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// A fakeHost is an ssh server in this process that really executes commands, and
// fails where it is told to.
type fakeHost struct {
	sshd
	t       *testing.T
	config  *ssh.ServerConfig
	trust   func(key ssh.PublicKey) bool // our keys
	hang    string                       // stage that never ends: banner, kex, auth, session, exec or script
	refuse  string                       // session or exec
	reads   atomic.Int64
	limit   atomic.Int64 // reads from a connection until it breaks; 0: none
	drop    atomic.Int64
	done    chan struct{}
	working sync.WaitGroup
}

// newFakeHost starts a host that setup has completed.
func newFakeHost(t *testing.T, setup ...func(h *fakeHost)) *fakeHost {
	t.Helper()
	quiet(t) // after the host's own end
	h := &fakeHost{t: t, done: make(chan struct{})}
	h.dir = t.TempDir()
	h.home = filepath.Join(h.dir, "home")
	if err := os.Mkdir(h.home, 0o700); err != nil {
		t.Fatal(err)
	}
	h.hostKey = pair(t, filepath.Join(h.dir, "host_key"), "")
	h.userKey = pair(t, filepath.Join(h.dir, "id"), "")
	h.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if h.hang == "auth" {
			<-h.done
		}
		if !h.trust(key) {
			return nil, errors.New("not this key")
		}
		return nil, nil
	}}
	user := h.userKey.PublicKey()
	h.trust = func(key ssh.PublicKey) bool { return sshkeys.SameKey(key, user) }
	h.config.AddHostKey(h.hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.ip, h.port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	h.known = filepath.Join(h.dir, "known_hosts")
	write(t, h.known, knownLine(h.ip, h.port, h.hostKey.PublicKey()))
	h.writeConfig("")
	for _, f := range setup {
		f(h)
	}
	h.working.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.working.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(h.done)
		h.working.Wait()
	})
	return h
}

// writeConfig makes the client's configuration, with more before the usual.
func (h *fakeHost) writeConfig(more string) {
	h.sshd.config = filepath.Join(h.dir, "ssh_config")
	write(h.t, h.sshd.config, more+"\nHost *\n  User me\n  Port "+portText(h.port)+"\n  IdentityFile "+filepath.Join(h.dir, "id")+
		"\n  IdentityAgent none\n  UserKnownHostsFile "+h.known+"\n  GlobalKnownHostsFile none\n")
}

func portText(port int) string {
	_, text, _ := net.SplitHostPort(sshconf.JoinHostPort("", port))
	return text
}

// breaking fails after so many reads.
type breaking struct {
	net.Conn
	h *fakeHost
}

func (b *breaking) Read(p []byte) (int, error) {
	if n, limit := b.h.reads.Add(1), b.h.limit.Load(); limit > 0 && n > limit {
		b.Close()
		return 0, io.EOF
	}
	return b.Conn.Read(p)
}

func (h *fakeHost) serve(conn net.Conn) {
	defer conn.Close()
	// What hangs must still let go when the test has ended or the client has left.
	left := make(chan struct{})
	defer close(left)
	h.working.Go(func() {
		select {
		case <-h.done:
			conn.Close()
		case <-left:
		}
	})
	if h.drop.Add(-1) >= 0 {
		return
	}
	switch h.hang {
	case "banner":
		io.Copy(io.Discard, conn)
		return
	case "kex":
		io.WriteString(conn, "SSH-2.0-hangs\r\n")
		io.Copy(io.Discard, conn)
		return
	}
	server, channels, requests, err := ssh.NewServerConn(&breaking{conn, h}, h.config)
	if err != nil {
		return
	}
	defer server.Close()
	h.working.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		switch {
		case h.refuse == "session":
			c.Reject(ssh.ResourceShortage, "no more sessions")
			continue
		case h.hang == "session":
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		h.working.Go(func() { h.session(channel, requests) })
	}
}

func (h *fakeHost) session(c ssh.Channel, requests <-chan *ssh.Request) {
	defer c.Close()
	for r := range requests {
		switch {
		case h.hang == "exec":
		case h.refuse == "exec" || r.Type != "exec" && r.Type != "subsystem":
			r.Reply(false, nil)
		case r.Type == "subsystem":
			r.Reply(true, nil)
			if server, err := sftp.NewServer(c); err == nil {
				h.working.Go(func() { server.Serve(); c.Close() })
			}
		default:
			r.Reply(true, nil)
			if h.hang == "script" {
				continue
			}
			var m struct{ Command string }
			if err := ssh.Unmarshal(r.Payload, &m); err == nil {
				h.working.Go(func() { h.run(c, m.Command) })
			}
		}
	}
}

func (h *fakeHost) run(c ssh.Channel, command string) {
	defer c.Close()
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = []string{"HOME=" + h.home, "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = c, c.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	if err := cmd.Start(); err != nil {
		return
	}
	h.working.Go(func() { io.Copy(in, c); in.Close() })
	var status struct{ Status uint32 }
	if err := cmd.Wait(); err != nil {
		status.Status = uint32(cmd.ProcessState.ExitCode())
	}
	c.CloseWrite()
	c.SendRequest("exit-status", false, ssh.Marshal(status))
}
