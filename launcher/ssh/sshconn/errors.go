package sshconn

import (
	"errors"
	"fmt"
	"strings"
)

// A Stage of a start, as errors name it.
type Stage string

// The stages of a start, in order.
const (
	StageConfig    Stage = "reading the ssh configuration"
	StageResolve   Stage = "looking up the name"
	StageConnect   Stage = "connecting"
	StageHandshake Stage = "ssh handshake"
	StageAuth      Stage = "authentication"
	StageExec      Stage = "starting the agent"
	StageShip      Stage = "shipping"
)

// An Error says why a host has no agent.
type Error struct {
	Host    string // as the user wrote it
	Stage   Stage
	Address string // what was tried; "" before that is known
	Err     error
	Said    string // what the host printed
	Try     string // what the user may do; "" when Err says it
}

// Culprit is the host that could not be reached: Host, or one that it is to be
// reached through.
func (e *Error) Culprit() string {
	inner := new(Error)
	if errors.As(e.Err, &inner) {
		return inner.Culprit()
	}
	return e.Host
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Host, e.Stage)
	if e.Address != "" && e.Address != e.Host {
		fmt.Fprintf(&b, " (%s)", e.Address)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if said := strings.TrimSpace(e.Said); said != "" {
		fmt.Fprintf(&b, "; the host said:\n%s", said)
	}
	if e.Try != "" {
		if e.Said != "" {
			b.WriteString("\n")
		} else {
			b.WriteString("; ")
		}
		b.WriteString("try: " + e.Try)
	}
	return b.String()
}

// Way is e in a few words, where there is another way to the host.
func (e *Error) Way() string { return fmt.Sprintf("%s (%s): %v", e.Stage, e.Address, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// errSlow is the cause when a stage's deadline has passed.
var errSlow = errors.New("no answer in time")
