package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"gridrun/collectives"
	"gridrun/rt"
)

// file: rank 1 opens a file whose other end nobody holds, which takes for ever; a
// file server that has gone away looks the same.
func file(ctx context.Context, w *rt.World) error {
	if w.Rank() == 1 {
		path := filepath.Join(os.TempDir(), "results.fifo")
		if err := syscall.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return collectives.Barrier(ctx, w)
}

// spin: rank 2 computes without end.
func spin(ctx context.Context, w *rt.World) error {
	if w.Rank() == 2 {
		for x := 1.0; x > 0; x++ { // grows until it no longer does
		}
	}
	return collectives.Barrier(ctx, w)
}

// channel: rank 0 waits for a goroutine that nobody has started.
func channel(ctx context.Context, w *rt.World) error {
	if w.Rank() == 0 {
		results := make(chan int)
		<-results
	}
	return collectives.Barrier(ctx, w)
}

// panics: an index out of range on rank 1.
func panics(ctx context.Context, w *rt.World) error {
	table := make([]int, 1)
	table[w.Rank()%2] = 1
	return collectives.Barrier(ctx, w)
}

// exits: rank 1 leaves the program in the middle.
func exits(ctx context.Context, w *rt.World) error {
	if w.Rank() == 1 {
		os.Exit(3)
	}
	return collectives.Barrier(ctx, w)
}

// killed: rank 2 is killed, as the kernel does when memory runs out.
func killed(ctx context.Context, w *rt.World) error {
	if w.Rank() == 2 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return collectives.Barrier(ctx, w)
}
