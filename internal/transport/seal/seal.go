// Package seal encrypts connections between the processes of a job: TLS 1.3
// with certificates of an authority that exists for this job only.
//
// Every process derives the authority's ed25519 key from the job's key (HKDF,
// RFC 5869), so nothing is exchanged or stored: it signs a certificate for a
// fresh key of its own, in the name of its process number, and accepts those
// that the same authority has signed in the name it expects. Whoever knows the
// job's key can take any name within the job; nobody else can take one.
// Certificates have no useful dates: hosts' clocks differ, and a key is the
// job's for as long as the job runs.
package seal

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Seal is one process's certificate and what it checks others against.
type Seal struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

// protocol is offered and demanded (ALPN).
const protocol = "gridrun"

// within is a moment at which every certificate is valid.
var within = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New returns the seal of process proc (negative: a host service's number).
func New(job string, key []byte, proc int) (*Seal, error) {
	seed, err := hkdf.Key(sha256.New, key, []byte(job), "gridrun certificate authority", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("the job's certificate authority: %w", err)
	}
	authority := ed25519.NewKeyFromSeed(seed)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "gridrun job " + job},
		NotBefore:             within.AddDate(-10, 0, 0),
		NotAfter:              within.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(nil, ca, ca, authority.Public(), authority)
	if err != nil {
		return nil, fmt.Errorf("the job's certificate authority: %w", err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("the job's certificate authority: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("this process's key: %w", err)
	}
	own := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(public[:16]),
		Subject:      pkix.Name{CommonName: name(proc)},
		DNSNames:     []string{name(proc)},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if der, err = x509.CreateCertificate(rand.Reader, own, ca, public, authority); err != nil {
		return nil, fmt.Errorf("this process's certificate: %w", err)
	}
	s := &Seal{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, roots: x509.NewCertPool()}
	s.roots.AddCert(ca)
	return s, nil
}

// name is what a process's certificate is made out to.
func name(proc int) string {
	if proc < 0 {
		return "host" + strconv.Itoa(-1-proc) + ".gridrun"
	}
	return "process" + strconv.Itoa(proc) + ".gridrun"
}

func number(name string) (proc int, ok bool) {
	name, ok = strings.CutSuffix(name, ".gridrun")
	if host, is := strings.CutPrefix(name, "host"); is {
		n, err := strconv.ParseUint(host, 10, 31)
		return -1 - int(n), ok && err == nil
	}
	text, is := strings.CutPrefix(name, "process")
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), ok && is && err == nil
}

func (s *Seal) config() *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{s.cert},
		RootCAs:                s.roots,
		ClientCAs:              s.roots,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protocol},
		SessionTicketsDisabled: true,
		Time:                   func() time.Time { return within },
		// Frames are large or few: records of the full size from the start.
		DynamicRecordSizingDisabled: true,
	}
}

// Client seals c, which this end has opened to process peer, and proves that
// process peer is there. c stays the caller's to close when it fails.
func (s *Seal) Client(ctx context.Context, c net.Conn, peer int) (*tls.Conn, error) {
	cfg := s.config()
	cfg.ServerName = name(peer)
	t := tls.Client(c, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return t, nil
}

// Server seals c, which another process has opened to this one, and says which.
func (s *Seal) Server(ctx context.Context, c net.Conn) (t *tls.Conn, peer int, err error) {
	t = tls.Server(c, s.config())
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, 0, fmt.Errorf("encrypting: %w", err)
	}
	certs := t.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil, 0, errors.New("encrypting: the other end shows no certificate")
	}
	peer, ok := number(certs[0].Subject.CommonName)
	if !ok {
		return nil, 0, fmt.Errorf("encrypting: a certificate in the name of %q", certs[0].Subject.CommonName)
	}
	return t, peer, nil
}
