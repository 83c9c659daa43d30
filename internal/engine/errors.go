package engine

import (
	"errors"
	"fmt"
	"strings"
)

// A Tag separates streams of messages between two ranks. User tags are >= 0.
type Tag int32

const (
	// AnyRank as a source matches every sender.
	AnyRank = -1
	// AnyTag matches every tag.
	AnyTag Tag = -1
)

var (
	ErrPeerLost  = errors.New("peer lost")
	ErrTruncated = errors.New("truncated")
	ErrType      = errors.New("type mismatch")
	ErrAborted   = errors.New("job aborted")
	ErrRevoked   = errors.New("group revoked")
	// ErrMismatch is a collective that met another operation or other lengths at a peer.
	ErrMismatch = errors.New("collective mismatch")
)

// An Error wraps every error of the runtime: what, who, with whom.
type Error struct {
	Op   string
	Rank int // this rank, in its group
	Peer int // -1: none
	Tag  Tag
	Err  error
}

// Error reads like `rank 3: Recv from rank 5, tag 7: peer lost`.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rank %d: %s", e.Rank, e.Op)
	if e.Peer >= 0 {
		word := "with"
		switch {
		case strings.Contains(e.Op, "Recv") || strings.Contains(e.Op, "Probe"):
			word = "from"
		case strings.Contains(e.Op, "Send"):
			word = "to"
		}
		fmt.Fprintf(&b, " %s rank %d", word, e.Peer)
	}
	if e.Tag >= 0 {
		fmt.Fprintf(&b, ", tag %d", e.Tag)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }
