package main

import (
	"context"

	"gridrun/rt"
)

// ring: everybody sends before it receives, and sends wait for their receivers.
func ring(ctx context.Context, w *rt.World) error {
	x := []int{w.Rank()}
	if err := rt.SSend(ctx, w, (w.Rank()+1)%w.Size(), 5, x); err != nil {
		return err
	}
	_, err := rt.Recv(ctx, w, (w.Rank()+w.Size()-1)%w.Size(), 5, x)
	return err
}

// headon: two ranks receive from each other first.
func headon(ctx context.Context, w *rt.World) error {
	x := []int{w.Rank()}
	if w.Rank() > 1 {
		return nil
	}
	if _, err := rt.Recv(ctx, w, 1-w.Rank(), 3, x); err != nil {
		return err
	}
	return rt.Send(ctx, w, 1-w.Rank(), 3, x)
}

// tag: rank 0 sends with another tag than rank 1 receives.
func tag(ctx context.Context, w *rt.World) error {
	x := []int{w.Rank()}
	switch w.Rank() {
	case 0:
		if err := rt.Send(ctx, w, 1, 6, x); err != nil {
			return err
		}
		_, err := rt.Recv(ctx, w, 1, 8, x)
		return err
	case 1:
		if _, err := rt.Recv(ctx, w, 0, 7, x); err != nil {
			return err
		}
		return rt.Send(ctx, w, 0, 8, x)
	}
	return nil
}

// self: a rank sends to itself and waits until it has received.
func self(ctx context.Context, w *rt.World) error {
	if w.Rank() != 2 {
		return nil
	}
	return rt.SSend(ctx, w, w.Rank(), 1, []int{1})
}

// anybody: all wait for a message of anybody, and nobody sends.
func anybody(ctx context.Context, w *rt.World) error {
	_, err := rt.Recv(ctx, w, rt.AnyRank, 2, []int{0})
	return err
}

// truncated: the message is longer than where it is to go.
func truncated(ctx context.Context, w *rt.World) error {
	switch w.Rank() {
	case 0:
		return rt.Send(ctx, w, 1, 4, make([]float64, 100))
	case 1:
		_, err := rt.Recv(ctx, w, 0, 4, make([]float64, 10))
		return err
	}
	return nil
}

// wrongType: one sends numbers of another type than the other receives.
func wrongType(ctx context.Context, w *rt.World) error {
	switch w.Rank() {
	case 0:
		return rt.Send(ctx, w, 1, 4, make([]float64, 8))
	case 1:
		_, err := rt.Recv(ctx, w, 0, 4, make([]int64, 8))
		return err
	}
	return nil
}
