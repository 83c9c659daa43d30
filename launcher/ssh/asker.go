package ssh

import (
	"crypto/rand"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshkeys"
	"io"
	"net"

	"golang.org/x/crypto/ssh"

	"gridrun/launcher/relay"
)

// An asker is where a relay has decisions on keys from: the launcher. It uses
// the stream of the Dial; only one goroutine, the handshake's, asks.
type asker struct {
	algorithms []string
	send       func(*relay.Message) error
	answers    <-chan *relay.Message // closed when the launcher has gone
}

func (a *asker) ask(m *relay.Message) (*relay.Message, error) {
	if err := a.send(m); err != nil {
		return nil, err
	}
	answer, ok := <-a.answers
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	return answer, nil
}

// hostKey asks whether the host may show key.
func (a *asker) hostKey(_ string, remote net.Addr, key ssh.PublicKey) error {
	answer, err := a.ask(&relay.Message{HostKey: &relay.HostKey{Addr: remote.String(), Key: key.Marshal()}})
	switch {
	case err != nil:
		return err
	case answer.Done == nil:
		return relay.ErrProtocol
	case answer.Done.Error != "":
		return &sshkeys.HostKeyError{Text: answer.Done.Error}
	}
	return nil
}

// HostKeys has the launcher decide.
func (a *asker) HostKeys(sshconf.Hop) (ssh.HostKeyCallback, []string, error) {
	return a.hostKey, a.algorithms, nil
}

// Keys asks what can be offered.
func (a *asker) Keys(sshconf.Hop) *sshkeys.Keys {
	k := &sshkeys.Keys{}
	answer, err := a.ask(&relay.Message{Keys: &relay.Keys{}})
	if err == nil && answer.Keys == nil {
		err = relay.ErrProtocol
	}
	if err != nil {
		k.Unusable = append(k.Unusable, fmt.Sprintf("the launcher's (%v)", err))
		return k
	}
	k.Offered, k.Unusable = answer.Keys.Offered, answer.Keys.Unusable
	for i, b := range answer.Keys.Public {
		public, err := ssh.ParsePublicKey(b)
		if err != nil {
			k.Unusable = append(k.Unusable, err.Error())
			continue
		}
		k.Signers = append(k.Signers, &askedKey{a, i, public})
	}
	return k
}

// An askedKey is a key that only the launcher has.
type askedKey struct {
	asker  *asker
	number int
	public ssh.PublicKey
}

var _ ssh.AlgorithmSigner = (*askedKey)(nil)

func (k *askedKey) PublicKey() ssh.PublicKey { return k.public }

func (k *askedKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(nil, data, "")
}

func (k *askedKey) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	answer, err := k.asker.ask(&relay.Message{Sign: &relay.Sign{Key: k.number, Algorithm: algorithm, Data: data}})
	switch {
	case err != nil:
		return nil, err
	case answer.Sign == nil:
		return nil, relay.ErrProtocol
	case answer.Sign.Error != "":
		return nil, errors.New(answer.Sign.Error)
	}
	return &ssh.Signature{Format: answer.Sign.Format, Blob: answer.Sign.Blob, Rest: answer.Sign.Rest}, nil
}

// maxSignatures is how many proofs one connection may need: sshd allows six tries.
const maxSignatures = 16

// An answerer decides for a relay that connects to a host. An inner host that is
// not honest could have signed what lets it in elsewhere as this user, while it
// connects, as with a forwarded ssh-agent; only such proofs are signed, and few.
type answerer struct {
	hop    sshconf.Hop
	check  ssh.HostKeyCallback
	keys   *sshkeys.Keys
	signed int
	// refused is why the host's key is not taken.
	refused error
}

// answer is nil for what needs none.
func (a *answerer) answer(m *relay.Message) *relay.Message {
	switch {
	case m.HostKey != nil:
		done := &relay.Done{}
		if a.refused = a.hostKey(m.HostKey); a.refused != nil {
			done.Error = a.refused.Error()
		}
		return &relay.Message{Done: done}
	case m.Keys != nil:
		if a.keys == nil {
			a.keys = sshkeys.FindKeys(a.hop)
		}
		keys := &relay.Keys{Offered: a.keys.Offered, Unusable: a.keys.Unusable}
		for _, s := range a.keys.Signers {
			keys.Public = append(keys.Public, s.PublicKey().Marshal())
		}
		return &relay.Message{Keys: keys}
	case m.Sign != nil:
		s, err := a.sign(m.Sign)
		if err != nil {
			return &relay.Message{Sign: &relay.Sign{Error: err.Error()}}
		}
		return &relay.Message{Sign: &relay.Sign{Format: s.Format, Blob: s.Blob, Rest: s.Rest}}
	}
	return nil
}

func (a *answerer) close() {
	if a.keys != nil {
		a.keys.Close()
	}
}

func (a *answerer) hostKey(m *relay.HostKey) error {
	key, err := ssh.ParsePublicKey(m.Key)
	if err != nil {
		return err
	}
	addr, err := net.ResolveTCPAddr("tcp", m.Addr)
	if err != nil {
		return err
	}
	return a.check(sshkeys.CheckName(a.hop), addr, key)
}

// sign signs the proof that the user of the hop is who they say.
func (a *answerer) sign(m *relay.Sign) (*ssh.Signature, error) {
	if a.keys == nil || m.Key < 0 || m.Key >= len(a.keys.Signers) || a.signed >= maxSignatures {
		return nil, relay.ErrProtocol
	}
	a.signed++
	var proof struct { // RFC 4252, section 7
		Session               []byte
		Kind                  byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Public                []byte
	}
	if err := ssh.Unmarshal(m.Data, &proof); err != nil || proof.Kind != 50 || proof.User != a.hop.User || proof.Service != "ssh-connection" || proof.Method != "publickey" {
		return nil, fmt.Errorf("%w: no proof for user %s is to be signed", relay.ErrProtocol, a.hop.User)
	}
	signer := a.keys.Signers[m.Key]
	if s, is := signer.(ssh.AlgorithmSigner); is && m.Algorithm != "" {
		return s.SignWithAlgorithm(rand.Reader, m.Data, m.Algorithm)
	}
	return signer.Sign(rand.Reader, m.Data)
}
