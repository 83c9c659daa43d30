package engine

import (
	"context"
	"errors"
	"net"
	"time"
)

type Signature uint32
type Comm struct{}
type Request struct{}
type Proc struct{}

func (c *Comm) Rank() int           { panic("stub") }
func (c *Comm) Size() int           { panic("stub") }
func (c *Comm) WorldRank(r int) int { panic("stub") }

// ID names the group's message space; the same on every member.
func (c *Comm) ID() uint64  { panic("stub") }
func (c *Comm) Proc() *Proc { panic("stub") }

// From returns the engine's side of an rt.Group; rt sets it.
var From func(group any) *Comm

// ErrNoService says that this process has no host service: it was not started
// by gridrun, or is alone; what the service does is then done in process.
var ErrNoService = errors.New("no host service")

// Service connects to the host's service process, which is started when first
// asked for. The caller owns the connection (a Unix stream socket).
func (p *Proc) Service(ctx context.Context) (*net.UnixConn, error) { panic("stub") }

// Local returns the value that all ranks of this process share under key, made by the first to ask.
func (p *Proc) Local(key string, make func() any) any { panic("stub") }

// SignatureOf tells the layout of a T: kind and size of every field, not its
// name. It fails for types that hold pointers.
func SignatureOf[T any]() (Signature, error) { panic("stub") }

// Blocked publishes in the wait table that this rank waits in op since now,
// for waits that are not the engine's own; the func returned ends it.
func (c *Comm) Blocked(op Op, since time.Time) func() { panic("stub") }
