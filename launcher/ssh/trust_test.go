package ssh

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"gridrun/launcher/ssh/sshkeys"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"gridrun/launcher/place"
)

func (h *fakeHost) try(t *testing.T) error {
	t.Helper()
	a, err := h.starter(t, nil).Start(context.Background(), place.Host{Name: h.ip})
	if err != nil {
		return err
	}
	say(t, a, "", "agent\n")
	end(t, a.(*Agent))
	return nil
}

// A host shows one of its keys; it must be asked for one that is known.
func TestKnownKindOfKeyIsAskedFor(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey := writeKey(t, filepath.Join(t.TempDir(), "ec"), ec, "")
	rsKey := writeKey(t, filepath.Join(t.TempDir(), "rs"), rs, "")
	h := newFakeHost(t, func(h *fakeHost) {
		h.config.AddHostKey(ecKey)
		h.config.AddHostKey(rsKey)
	})
	for _, key := range []ssh.Signer{h.hostKey, ecKey, rsKey} {
		for _, line := range []string{
			knownLine(h.ip, h.port, key.PublicKey()),
			strings.Replace(knownLine("x", 1, key.PublicKey()), "[x]:1", knownhosts.HashHostname(knownhosts.Normalize(h.address())), 1),
		} {
			write(t, h.known, line)
			if err := h.try(t); err != nil {
				t.Errorf("only %s is known: %v", key.PublicKey().Type(), err)
			}
		}
	}
}

func TestSeveralKnownHostsFiles(t *testing.T) {
	h := newFakeHost(t)
	second := filepath.Join(h.dir, "second")
	write(t, second, knownLine(h.ip, h.port, h.hostKey.PublicKey()))
	os.Remove(h.known)
	h.writeConfig("UserKnownHostsFile " + h.known + " " + second)
	if err := h.try(t); err != nil {
		t.Error(err)
	}
	write(t, second, "not a line\n")
	wants(t, h.try(t), second+":1", "correct or remove")
	h.writeConfig("HostKeyAlias cluster")
	write(t, h.known, "cluster "+string(ssh.MarshalAuthorizedKey(h.hostKey.PublicKey())))
	if err := h.try(t); err != nil {
		t.Errorf("by its alias: %v", err)
	}
	write(t, h.known, "")
	wants(t, h.try(t), "no line for cluster")
	write(t, h.known, "@revoked * "+string(ssh.MarshalAuthorizedKey(h.hostKey.PublicKey())))
	wants(t, h.try(t), "revoked", h.known+":1")
}

func TestStrictness(t *testing.T) {
	h := newFakeHost(t)
	other := pair(t, filepath.Join(h.dir, "other"), "")
	lines := func() int {
		text, _ := os.ReadFile(h.known)
		return strings.Count(string(text), "\n")
	}
	h.writeConfig("StrictHostKeyChecking accept-new")
	os.Remove(h.known)
	if err := h.try(t); err != nil || lines() != 1 {
		t.Errorf("a new key: %d lines, %v", lines(), err)
	}
	if err := h.try(t); err != nil || lines() != 1 {
		t.Errorf("the same key again: %d lines, %v", lines(), err)
	}
	write(t, h.known, knownLine(h.ip, h.port, other.PublicKey()))
	wants(t, h.try(t), "has changed")
	h.writeConfig("StrictHostKeyChecking no")
	if err := h.try(t); err != nil || lines() != 1 {
		t.Errorf("any key: %d lines, %v", lines(), err)
	}
	h.writeConfig("StrictHostKeyChecking ask")
	wants(t, h.try(t), "has changed")
}

// certify makes a certificate of key by authority.
func certify(t *testing.T, authority, key ssh.Signer, kind uint32, principal string) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: key.PublicKey(), CertType: kind, ValidPrincipals: []string{principal}, ValidBefore: uint64(time.Now().Add(time.Hour).Unix())}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificates(t *testing.T) {
	authority := pair(t, filepath.Join(t.TempDir(), "authority"), "")
	var certificateOnly atomic.Bool
	checker := &ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return sshkeys.SameKey(k, authority.PublicKey()) }}
	h := newFakeHost(t, func(h *fakeHost) {
		signer, err := ssh.NewCertSigner(certify(t, authority, h.hostKey, ssh.HostCert, h.ip), h.hostKey)
		if err != nil {
			t.Fatal(err)
		}
		h.config.AddHostKey(signer)
		plain := h.config.PublicKeyCallback
		h.config.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if certificateOnly.Load() {
				return checker.Authenticate(m, key)
			}
			return plain(m, key)
		}
	})
	if err := h.try(t); err != nil {
		t.Errorf("the plain key of a host with a certificate: %v", err)
	}
	write(t, h.known, "@cert-authority "+knownLine(h.ip, h.port, authority.PublicKey()))
	if err := h.try(t); err != nil {
		t.Errorf("a host's certificate: %v", err)
	}
	// The user's certificate lies beside the key.
	certificateOnly.Store(true)
	wants(t, h.try(t), "user me was not let in")
	cert := certify(t, authority, h.userKey, ssh.UserCert, "me")
	write(t, filepath.Join(h.dir, "id-cert.pub"), string(ssh.MarshalAuthorizedKey(cert)))
	if err := h.try(t); err != nil {
		t.Errorf("a user's certificate: %v", err)
	}
}

// serveAgent is an ssh-agent with keys.
func serveAgent(t *testing.T, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { agent.ServeAgent(ring, c); c.Close() }()
		}
	}()
	return socket
}

func TestKeys(t *testing.T) {
	h := newFakeHost(t)
	id := filepath.Join(h.dir, "id")
	text, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	held, strange := serveAgent(t, stranger, raw), serveAgent(t, stranger)

	h.writeConfig("IdentityFile /nowhere/key\nIdentityAgent " + held)
	if err := h.try(t); err != nil {
		t.Errorf("a key from ssh-agent: %v", err)
	}
	// The encrypted file's key is in the agent.
	writeKey(t, id, raw, "secret")
	h.writeConfig("IdentitiesOnly yes\nIdentityAgent " + held)
	if err := h.try(t); err != nil {
		t.Errorf("the encrypted key that ssh-agent holds: %v", err)
	}
	h.writeConfig("IdentityAgent " + strange)
	wants(t, h.try(t), "1 from ssh-agent", id+" (encrypted: run `ssh-add "+id+"`)")
	h.writeConfig("IdentitiesOnly yes\nIdentityAgent " + strange)
	err = h.try(t)
	wants(t, err, "there was no key to offer")
	h.writeConfig("IdentityAgent /nowhere/agent\nIdentityFile /nowhere/key")
	wants(t, h.try(t), "ssh-agent at /nowhere/agent", "/nowhere/key (no such file)")
	write(t, id, "no key at all")
	os.Remove(id + ".pub")
	h.writeConfig("")
	wants(t, h.try(t), id, "--launcher-command ssh")
}
