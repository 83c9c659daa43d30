package sshkeys

import (
	"bytes"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Keys are what we can prove to be, for one connection.
type Keys struct {
	Signers  []ssh.Signer
	Offered  []string // where signers come from, for messages
	Unusable []string // what could not be used, and what to do
	agent    net.Conn // nil: none
}

// Close lets go of ssh-agent.
func (k *Keys) Close() {
	if k.agent != nil {
		k.agent.Close()
	}
}

// FindKeys gathers keys as OpenSSH orders them: what the agent holds of the
// configured files, what else it holds unless IdentitiesOnly, then files.
func FindKeys(h sshconf.Hop) *Keys {
	k := &Keys{}
	var held []ssh.Signer
	if h.AgentSocket != "" {
		conn, err := net.Dial("unix", h.AgentSocket)
		if err == nil {
			k.agent = conn
			held, err = agent.NewClient(conn).Signers()
		}
		if err != nil {
			k.Unusable = append(k.Unusable, fmt.Sprintf("ssh-agent at %s (%v)", h.AgentSocket, err))
		}
	}
	var first, files []ssh.Signer
	var names []string
	for _, name := range h.Identities {
		signers, public, err := readKey(name)
		if sshconf.Absent(err) && !h.Explicit {
			continue
		}
		// A key that the agent holds is the agent's, also where its file is
		// encrypted or only the public half lies here.
		if i := slices.IndexFunc(held, func(s ssh.Signer) bool { return public != nil && SameKey(s.PublicKey(), public) }); i >= 0 {
			first = append(first, held[i])
			held = slices.Delete(held, i, i+1)
			continue
		}
		if err != nil {
			k.Unusable = append(k.Unusable, explainKey(name, err))
			continue
		}
		files = append(files, signers...)
		names = append(names, name)
	}
	if h.IdentitiesOnly {
		held = nil
	}
	if n := len(first) + len(held); n > 0 {
		k.Offered = append(k.Offered, fmt.Sprintf("%d from ssh-agent", n))
	}
	k.Offered = append(k.Offered, names...)
	k.Signers = slices.Concat(first, held, files)
	return k
}

// readKey reads a private key, with the certificate NAME-cert.pub where there is
// one. public is known also for most encrypted keys.
func readKey(name string) (signers []ssh.Signer, public ssh.PublicKey, err error) {
	if text, err := os.ReadFile(name + ".pub"); err == nil {
		public, _, _, _, _ = ssh.ParseAuthorizedKey(text)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, public, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) && locked.PublicKey != nil {
			public = locked.PublicKey
		} else if p, _, _, _, errPublic := ssh.ParseAuthorizedKey(text); errPublic == nil {
			public = p // IdentityFile may name the public half of an agent's key
		}
		return nil, public, err
	}
	public = signer.PublicKey()
	if text, err := os.ReadFile(name + "-cert.pub"); err == nil {
		if p, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
			if cert, ok := p.(*ssh.Certificate); ok {
				if s, err := ssh.NewCertSigner(cert, signer); err == nil {
					signers = append(signers, s)
				}
			}
		}
	}
	return append(signers, signer), public, nil
}

// SameKey says that two keys are one.
func SameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

func explainKey(name string, err error) string {
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return fmt.Sprintf("%s (encrypted: run `ssh-add %s`)", name, name)
	case errors.Is(err, fs.ErrNotExist):
		return name + " (no such file)"
	case errors.Is(err, fs.ErrPermission):
		return name + " (not readable)"
	}
	return fmt.Sprintf("%s (%v; with --launcher-command ssh OpenSSH may know this kind)", name, err)
}

// Refused explains why the host let none of our keys in.
func (k *Keys) Refused(h sshconf.Hop, err error) error {
	var b strings.Builder
	fmt.Fprintf(&b, "user %s was not let in", h.User)
	if len(k.Offered) > 0 {
		fmt.Fprintf(&b, "; keys offered: %s", strings.Join(k.Offered, ", "))
	} else {
		b.WriteString("; there was no key to offer")
	}
	if len(k.Unusable) > 0 {
		fmt.Fprintf(&b, "; not usable: %s", strings.Join(k.Unusable, ", "))
	}
	fmt.Fprintf(&b, " (%v)", err)
	return errors.New(b.String())
}
