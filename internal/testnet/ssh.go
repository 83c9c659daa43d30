//go:build linux

package testnet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshdConfig makes a server that accepts the client's key for root and nothing
// else, asks no other service, and takes many connections at once. The keys are
// outside of the home, which a test may break. The verb is the port.
const sshdConfig = `Port %d
HostKey ` + confDir + `/host_key
AuthorizedKeysFile ` + confDir + `/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
MaxStartups 100:30:200
MaxSessions 100
PidFile none
PrintMotd no
Banner none
Subsystem sftp internal-sftp
LogLevel INFO
`

// keys are what a net's servers and its client prove themselves with.
type keys struct {
	clientPrivate []byte // PEM
	clientPublic  string // a line of authorized_keys
	hostPrivate   [][]byte
	hostPublic    []string
}

func newKeys(hosts int) (*keys, error) {
	k := &keys{}
	var err error
	if k.clientPrivate, k.clientPublic, err = newKey("testnet client"); err != nil {
		return nil, err
	}
	for i := range hosts {
		private, public, err := newKey(fmt.Sprintf("node%d", i+1))
		if err != nil {
			return nil, err
		}
		k.hostPrivate = append(k.hostPrivate, private)
		k.hostPublic = append(k.hostPublic, public)
	}
	return k, nil
}

// newKey returns a private key as OpenSSH stores it and the line of its public one.
func newKey(comment string) (private []byte, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("testnet: make a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(priv, comment)
	if err != nil {
		return nil, "", fmt.Errorf("testnet: encode a key: %w", err)
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", fmt.Errorf("testnet: encode a key: %w", err)
	}
	return pem.EncodeToMemory(block), string(ssh.MarshalAuthorizedKey(line)), nil
}

func (n *Net) knownHosts() string {
	var b strings.Builder
	for i, h := range n.hosts {
		var names []string
		for _, name := range []string{h.Name, h.Addr, h.Addr6} {
			if name != "" {
				names = append(names, knownhosts.Normalize(net.JoinHostPort(name, strconv.Itoa(h.Port))))
			}
		}
		fmt.Fprintf(&b, "%s %s", strings.Join(names, ","), n.keys.hostPublic[i])
	}
	return b.String()
}

// sshConfig is a client's configuration that uses the files in dir alone.
func (n *Net) sshConfig(dir string) string {
	return fmt.Sprintf(`Host *
    User root
    Port %d
    IdentityFile %s
    IdentitiesOnly yes
    UserKnownHostsFile %s
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
`, n.cfg.SSHPort, filepath.Join(dir, "id_ed25519"), filepath.Join(dir, "known_hosts"))
}

// SSHConfig is the path of a client configuration (ssh -F) that names the
// identity file and the known_hosts file with the keys of all hosts.
func (n *Net) SSHConfig() string { return filepath.Join(n.dir, "ssh_config") }

// KnownHosts is the path of the known_hosts file of [Net.SSHConfig].
func (n *Net) KnownHosts() string { return filepath.Join(n.dir, "known_hosts") }

// Identity is the path of the client's private key, which every host accepts.
func (n *Net) Identity() string { return filepath.Join(n.dir, "id_ed25519") }
