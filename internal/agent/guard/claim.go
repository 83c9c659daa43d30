package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxStage bounds the path that an agent tells its guard.
const maxStage = 4096

// stageable says whether dir can be the directory of a job's inputs: only those
// are ever removed.
func stageable(dir string) bool {
	return filepath.IsAbs(dir) && filepath.Clean(dir) == dir && len(dir) <= maxStage &&
		(filepath.Base(filepath.Dir(dir)) == "jobs" || strings.HasPrefix(filepath.Base(dir), "gridrun-stage-"))
}

// Claim tells the guard of the directory of the job's inputs, which it removes
// should the agent be killed. Called by the agent, which removes it otherwise.
func Claim(dir string) error {
	if !stageable(dir) {
		return fmt.Errorf("%q cannot be a directory of inputs", dir)
	}
	if _, err := syscall.Write(FD, []byte(dir)); err != nil {
		return fmt.Errorf("telling the guard: %w", err)
	}
	return nil
}

// sweep removes what the agent at the other end of conn had claimed. The agent
// has ended, and its end of the socket with it.
func sweep(conn *os.File) {
	conn.SetReadDeadline(time.Now().Add(time.Second)) // a child between fork and exec may hold it
	said, err := io.ReadAll(io.LimitReader(conn, maxStage+1))
	if dir := string(said); (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) && stageable(dir) {
		os.RemoveAll(dir)
	}
}
