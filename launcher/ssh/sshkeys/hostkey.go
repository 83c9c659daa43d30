package sshkeys

import (
	"bufio"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/script"
	"gridrun/launcher/ssh/sshconf"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// A HostKeyError is a host that shows a key other than known_hosts says, or one
// that known_hosts does not have.
type HostKeyError struct {
	Changed bool
	Text    string
}

func (e *HostKeyError) Error() string { return e.Text }

// KnownFiles caches parsed known_hosts files and adds to them.
type KnownFiles struct {
	mu   sync.Mutex
	sets map[string]ssh.HostKeyCallback
}

// load parses the files of h that exist. Their order does not matter.
func (k *KnownFiles) load(h sshconf.Hop) (ssh.HostKeyCallback, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := strings.Join(h.KnownHosts, "\x00")
	if set := k.sets[id]; set != nil {
		return set, nil
	}
	var files []string
	for _, name := range h.KnownHosts {
		info, err := os.Stat(name)
		if sshconf.Absent(err) || err == nil && !info.Mode().IsRegular() {
			continue // /dev/null is a usual way to say none
		}
		if err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	set, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("%w; correct or remove that line", err)
	}
	if k.sets == nil {
		k.sets = map[string]ssh.HostKeyCallback{}
	}
	k.sets[id] = set
	return set, nil
}

// add appends a key that AcceptNew or AcceptAny has taken.
func (k *KnownFiles) add(h sshconf.Hop, name string, key ssh.PublicKey) error {
	if len(h.KnownHosts) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	file := h.KnownHosts[0]
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	line := knownhosts.Line([]string{name}, key) + "\n"
	last := []byte{'\n'}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		f.ReadAt(last, info.Size()-1) // of a pipe or a device nothing is read, and nothing is missing
	}
	if last[0] != '\n' { // an editor has left the last line unfinished
		line = "\n" + line
	}
	_, err = f.WriteString(line)
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	k.sets = nil
	return err
}

// noKey is a key that no file has: asking for it lists what the files do have.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// CheckName is what known_hosts calls the host: host:port, or the alias, which
// goes without its port.
func CheckName(h sshconf.Hop) string {
	if h.KeyAlias != "" {
		return net.JoinHostPort(h.KeyAlias, "22")
	}
	return h.Address()
}

// HostKeys makes the check of h's key, and the algorithms to ask for: first
// those that known_hosts has for h. A host has several keys, shows one, and
// would seem changed if that were of a kind that known_hosts lacks.
func (k *KnownFiles) HostKeys(h sshconf.Hop) (ssh.HostKeyCallback, []string, error) {
	known, err := k.load(h)
	if err != nil {
		return nil, nil, err
	}
	name := CheckName(h)
	var missing *knownhosts.KeyError
	var algorithms []string
	if err := known(name, &net.TCPAddr{IP: net.IPv4zero}, noKey{}); errors.As(err, &missing) {
		algorithms = algorithmsOf(missing.Want)
	}
	check := func(_ string, remote net.Addr, key ssh.PublicKey) error {
		err := known(name, remote, key)
		var wrong *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &revoked):
			return &HostKeyError{Changed: true, Text: fmt.Sprintf("the host shows the key %s, which is marked as revoked at %s:%d", fingerprint(key), revoked.Revoked.Filename, revoked.Revoked.Line)}
		case !errors.As(err, &wrong):
			return err // a certificate that is not valid
		case len(wrong.Want) == 0 && h.Strict != sshconf.Strict:
			return k.add(h, name, key)
		case len(wrong.Want) == 0:
			return &HostKeyError{Text: unknownHost(h, key)}
		case h.Strict == sshconf.AcceptAny:
			return nil
		default:
			return &HostKeyError{Changed: true, Text: changedHost(h, key, wrong.Want)}
		}
	}
	return check, algorithms, nil
}

// algorithmsOf puts the algorithms that fit known keys before all others.
func algorithmsOf(known []knownhosts.KnownKey) []string {
	var first []string
	all := ssh.SupportedAlgorithms().HostKeys
	certificates := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return !strings.Contains(a, "-cert-v01@") })
	for _, k := range known {
		switch {
		case isAuthority(k):
			first = append(certificates, first...)
		case k.Key.Type() == ssh.KeyAlgoRSA:
			first = append(first, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		case slices.Contains(all, k.Key.Type()):
			first = append(first, k.Key.Type())
		}
	}
	// Without an authority, a certificate could not be checked, while the
	// host's plain key can.
	plain := slices.DeleteFunc(all, func(a string) bool { return strings.Contains(a, "-cert-v01@") })
	var unique []string
	for _, a := range slices.Concat(first, plain) {
		if !slices.Contains(unique, a) {
			unique = append(unique, a)
		}
	}
	return unique
}

// isAuthority says whether the line is one of @cert-authority.
func isAuthority(k knownhosts.KnownKey) bool {
	f, err := os.Open(k.Filename)
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n == k.Line {
			return strings.HasPrefix(strings.TrimSpace(lines.Text()), "@cert-authority")
		}
	}
	return false
}

func fingerprint(key ssh.PublicKey) string {
	return strings.TrimPrefix(key.Type(), "ssh-") + " " + ssh.FingerprintSHA256(key)
}

// knownFile is the file to add a host to.
func knownFile(h sshconf.Hop) string {
	if len(h.KnownHosts) == 0 {
		return "~/.ssh/known_hosts"
	}
	return script.Quote(h.KnownHosts[0])
}

func unknownHost(h sshconf.Hop, key ssh.PublicKey) string {
	add := fmt.Sprintf("ssh-keyscan -p %d -H %s >> %s", h.Port, h.Host, knownFile(h))
	if h.KeyAlias != "" {
		add = fmt.Sprintf("ssh-keyscan -p %d %s | sed 's/^[^ ]*/%s/' >> %s", h.Port, h.Host, h.KeyAlias, knownFile(h))
	}
	return fmt.Sprintf("the host's key is not known: no line for %s in %s. It shows %s. If that is the host's own fingerprint (there: `ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub`), add it: %s",
		knownhosts.Normalize(CheckName(h)), strings.Join(h.KnownHosts, ", "), fingerprint(key), hostKeyFile(key), add)
}

func changedHost(h sshconf.Hop, key ssh.PublicKey, want []knownhosts.KnownKey) string {
	var lines, remove []string
	for _, w := range want {
		lines = append(lines, fmt.Sprintf("%s:%d has %s", w.Filename, w.Line, fingerprint(w.Key)))
		command := fmt.Sprintf("ssh-keygen -R %s -f %s", script.Quote(knownhosts.Normalize(CheckName(h))), script.Quote(w.Filename))
		if !slices.Contains(remove, command) {
			remove = append(remove, command)
		}
	}
	return fmt.Sprintf("the host's key has changed, or somebody else answers in its place: %s, but it shows %s. If you know why it changed, remove the old key: %s",
		strings.Join(lines, ", "), fingerprint(key), strings.Join(remove, "; "))
}

// hostKeyFile is the word for key's kind in sshd's file names.
func hostKeyFile(key ssh.PublicKey) string {
	switch t := key.Type(); {
	case t == ssh.KeyAlgoRSA:
		return "rsa"
	case strings.HasPrefix(t, "ecdsa"):
		return "ecdsa"
	}
	return "ed25519"
}
