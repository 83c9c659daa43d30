//go:build !linux

package shm

import (
	"errors"
	"os"
	"runtime"
	"time"

	"gridrun/internal/spin"
)

// Elsewhere there is no segment, so nothing below is ever reached from a Net.

func createFile(int64) (*os.File, error) { return nil, errors.ErrUnsupported }

func mapFile(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func wipe([]byte) error { return errors.ErrUnsupported }

func unmap([]byte) error { return errors.ErrUnsupported }

func readMemory(int, []byte, uint64) error { return errors.ErrUnsupported }

func writeMemory(int, []byte, uint64) error { return errors.ErrUnsupported }

func allowSiblings() {}

func futexWait(*uint32, uint32, int64) { runtime.Gosched(); time.Sleep(time.Microsecond) }

func futexNap(*uint32, uint32, int64) bool { return true }

func futexDoze(*uint32, uint32, *spin.Pulse) {}

func futexWake(*uint32) {}

func canFence() bool { return false }
func fenceOthers()   {}
func beFenced() bool { return false }
