package rt_test

import (
	"context"
	"io"

	"gridrun/rt"
)

// The names and types that programs outside rely on. This file compiles as long
// as each is still there, with the type that it had: what fails here would fail
// in somebody's program.
var (
	_ func(rt.Body)                                               = rt.Main
	_ func(context.Context, int, rt.Body) error                   = rt.Run
	_ rt.Body                                                     = func(context.Context, *rt.World) error { return nil }
	_ func(context.Context, rt.Group, int, int) (*rt.Comm, error) = rt.Split
	_ func(context.Context, rt.Group) (*rt.Comm, error)           = rt.Dup
	_ func(*rt.World, int, error)                                 = rt.Abort

	_ func(context.Context, rt.Group, int, rt.Tag, []int8) error                                                  = rt.Send[int8]
	_ func(context.Context, rt.Group, int, rt.Tag, []int8) error                                                  = rt.SSend[int8]
	_ func(context.Context, rt.Group, int, rt.Tag, []int8) (rt.Status, error)                                     = rt.Recv[int8]
	_ func(ctx context.Context, g rt.Group, dst int, out []int8, src int, in []int8, t rt.Tag) (rt.Status, error) = rt.SendRecv[int8]
	_ func(context.Context, rt.Group, int, rt.Tag, string) error                                                  = rt.SendValue[string]
	_ func(context.Context, rt.Group, int, rt.Tag) (string, rt.Status, error)                                     = rt.RecvValue[string]
	_ func(context.Context, rt.Group, int, rt.Tag, []int8) (*rt.Request, error)                                   = rt.ISend[int8]
	_ func(context.Context, rt.Group, int, rt.Tag, []int8) (*rt.Request, error)                                   = rt.IRecv[int8]
	_ func(context.Context, ...*rt.Request) error                                                                 = rt.WaitAll
	_ func(context.Context, ...*rt.Request) (int, rt.Status, error)                                               = rt.WaitAny
	_ func(context.Context, rt.Group, int, rt.Tag) (rt.Status, error)                                             = rt.Probe
	_ func(rt.Group, int, rt.Tag) (rt.Status, bool, error)                                                        = rt.IProbe

	_ func(*rt.Request, context.Context) (rt.Status, error) = (*rt.Request).Wait
	_ func(*rt.Request) (rt.Status, bool, error)            = (*rt.Request).Test

	_ rt.Group                  = (*rt.World)(nil)
	_ rt.Group                  = (*rt.Comm)(nil)
	_ func(*rt.Comm) error      = (*rt.Comm).Close
	_ func(*rt.World) string    = (*rt.World).Job
	_ func(*rt.World) string    = (*rt.World).Host
	_ func(*rt.World) int       = (*rt.World).LocalRank
	_ func(*rt.World) int       = (*rt.World).LocalSize
	_ func(*rt.World) int       = (*rt.World).App
	_ func(*rt.World) []string  = (*rt.World).Args
	_ func(*rt.World) io.Writer = (*rt.World).Stdout
	_ func(*rt.World) *rt.Comm  = func(w *rt.World) *rt.Comm { return w.Comm }
	_ func(rt.Group) int        = rt.Group.Rank
	_ func(rt.Group) int        = rt.Group.Size
	_ func(rt.Group, int) int   = rt.Group.WorldRank

	_ rt.Status                   = rt.Status{Source: int(0), Tag: rt.Tag(0), Count: int(0)}
	_ error                       = &rt.Error{Op: "", Rank: int(0), Peer: int(0), Tag: rt.Tag(0), Err: error(nil)}
	_ interface{ Unwrap() error } = (*rt.Error)(nil)
	_                             = []error{rt.ErrPeerLost, rt.ErrTruncated, rt.ErrType, rt.ErrAborted, rt.ErrRevoked}
)

const (
	_ int    = rt.AnyRank
	_ int64  = rt.AnyRank // an untyped constant
	_ rt.Tag = rt.AnyTag
	_        = int32(rt.AnyTag)
)
