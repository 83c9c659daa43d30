package rt

import (
	"context"
	"errors"
)

// Where the job goes on without its dead (gridrun --on-failure continue, and
// RunWith with KeepSurvivors), a program that wants to do so as well has these:
//
//	for {
//		err := step(ctx, g)
//		if !errors.Is(err, rt.ErrPeerLost) && !errors.Is(err, rt.ErrRevoked) {
//			...
//		}
//		rt.Revoke(g, err)                 // so that nobody waits any more
//		if g, err = rt.Shrink(ctx, g); err != nil {
//			return err
//		}
//		... what the dead had is shared out among the g.Size() that are left
//	}
//
// They are ULFM's, of MPI.

// Revoke ends every pending and later operation on the group, at every member,
// with the same cause: they fail with ErrRevoked, which wraps the cause. Only
// Shrink and Agree go on. It returns at once. A collective that fails revokes
// its group by itself.
func Revoke(g Group, cause error) {
	if cause == nil {
		cause = errors.New("no reason given")
	}
	g.group().c.Revoke(cause)
}

// Shrink makes a group of the members that live, in the order of their ranks.
// Collective over those that live: every one of them gets the same group, also
// when further ones die meanwhile, and on a revoked group too. One that dies too
// late to be noticed is still a member of the new group.
func Shrink(ctx context.Context, g Group) (*Comm, error) {
	c, err := g.group().c.Shrink(ctx)
	if err != nil {
		return nil, err
	}
	return &Comm{c}, nil
}

// Agree tells every member that lives the same: whether all of them have said
// ok, and which members (their ranks in the group, ascending) have ended.
// Collective over those that live, also on a revoked group.
func Agree(ctx context.Context, g Group, ok bool) (all bool, ended []int, err error) {
	out, err := g.group().c.Agree(ctx, ok)
	return out.Flag, out.Dead, err
}

// Failed lists the members of the group that have died, as far as this rank
// knows: others may know more or less at this moment. Not collective.
func Failed(g Group) []int { return g.group().c.Failed() }

// AckFailed is Failed, after which receives and probes from AnyRank no longer
// fail on account of the ranks listed. Not collective.
func AckFailed(g Group) []int { return g.group().c.AckFailed() }

// A RunOption changes what RunWith does.
type RunOption func(*runOptions)

type runOptions struct{ keep bool }

// KeepSurvivors lets the other ranks go on when one fails, as gridrun
// --on-failure continue does: only what needs the failed one fails.
func KeepSurvivors() RunOption { return func(o *runOptions) { o.keep = true } }

// RunWith is Run with options. With KeepSurvivors it returns the errors of all
// ranks that failed, joined, each named.
func RunWith(ctx context.Context, n int, body Body, options ...RunOption) error {
	var o runOptions
	for _, option := range options {
		option(&o)
	}
	return runHere(ctx, n, body, o)
}
