package program

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// scratchPrefix begins the name of a directory that is built in.
const scratchPrefix = "build-"

// keep moves built to cache/sum/name unless the same program is there already.
// When the cache has grown, what nobody has built for long goes.
func keep(built, cache, sum, name string) (string, error) {
	dir := filepath.Join(cache, sum)
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", &Error{Refused, "keeping the built program: " + err.Error()}
	}
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		os.Chtimes(dir, now, now) // in use; where that fails it is built again in a month
		return path, nil
	}
	if err := os.Rename(built, path); err != nil {
		return "", &Error{Refused, "keeping the built program: " + err.Error()}
	}
	prune(cache, time.Now())
	return path, nil
}

const (
	// maxAge is for how long a program stays that is not built again: every
	// change of a source makes another one.
	maxAge = 30 * 24 * time.Hour
	// maxBuild is for how long a build may take; what is older was left by one
	// that was killed.
	maxBuild = 24 * time.Hour
)

// prune removes old programs and builds. It is housekeeping: what cannot be
// removed is looked at again at the next build. What is neither stays.
func prune(cache string, now time.Time) {
	entries, _ := os.ReadDir(cache)
	for _, e := range entries {
		most := maxAge
		if sum, err := hex.DecodeString(e.Name()); err != nil || len(sum) != sha256.Size {
			if most = maxBuild; !strings.HasPrefix(e.Name(), scratchPrefix) {
				continue
			}
		}
		info, err := e.Info()
		if err != nil || !info.IsDir() {
			continue
		}
		dir := filepath.Join(cache, e.Name())
		used := info.ModTime()
		if info, err := os.Lstat(filepath.Join(dir, "used")); err == nil && info.ModTime().After(used) {
			used = info.ModTime() // launcher/ssh may have its own cache in the same directory
		}
		if used.Before(now.Add(-most)) {
			os.RemoveAll(dir)
		}
	}
}

// cacheDir makes and returns the directory for built programs: the user's
// cache, or one below the temporary directory where there is none.
func (f Finder) cacheDir() (string, error) {
	dir := f.Cache
	if dir == "" {
		if user, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(user, "gridrun", "programs")
			if os.MkdirAll(dir, 0o700) == nil {
				return dir, nil
			}
		}
		// Somebody else's directory of this name must not be trusted.
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("gridrun-%d", os.Getuid()))
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
		info, err := os.Lstat(dir)
		if err != nil {
			return "", err
		}
		if !info.IsDir() || info.Mode().Perm()&0o022 != 0 || !ownedByUs(info) {
			return "", fmt.Errorf("%s is not ours alone; set XDG_CACHE_HOME", dir)
		}
		return dir, nil
	}
	return dir, os.MkdirAll(dir, 0o700)
}
func ownedByUs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
