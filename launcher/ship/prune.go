package ship

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
)

// MaxAge is for how long an entry of the cache may lie unused.
const MaxAge = 30 * 24 * time.Hour

// maxUnfinished is for how long a copy may lie unfinished without growing: whoever
// made it is gone then, as every byte has to follow the one before within a minute.
const maxUnfinished = 10 * time.Minute

// Prune removes from the cache directory dir the entries that nobody has used
// for MaxAge, and what is left of copies that have not grown for 10 minutes and
// were never finished. now is the host's own time. It returns the hashes of the
// entries. What is no cache entry stays.
func Prune(client *sftp.Client, dir string, now time.Time) ([]string, error) {
	entries, err := client.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the cache %s: %w", dir, err)
	}
	var removed []string
	for _, e := range entries {
		hash, err := hex.DecodeString(e.Name())
		if err != nil || len(hash) != 32 || !e.IsDir() {
			continue
		}
		entry := path.Join(dir, e.Name())
		used := e.ModTime()
		if info, err := client.Lstat(path.Join(entry, "used")); err == nil && info.ModTime().After(used) {
			used = info.ModTime()
		}
		if !used.Before(now.Add(-MaxAge)) {
			if err := pruneUnfinished(client, entry, now); err != nil {
				return removed, err
			}
			continue
		}
		if err := client.RemoveAll(entry); err != nil && !errors.Is(err, fs.ErrNotExist) { // another launcher may prune, too
			return removed, fmt.Errorf("removing %s: %w", entry, err)
		}
		removed = append(removed, e.Name())
	}
	return removed, nil
}

// pruneUnfinished removes old copies that put has not renamed, NAME.RANDOM.
func pruneUnfinished(client *sftp.Client, entry string, now time.Time) error {
	files, err := client.ReadDir(entry)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("reading %s: %w", entry, err)
	}
	for _, f := range files {
		random, err := hex.DecodeString(strings.TrimPrefix(path.Ext(f.Name()), "."))
		if err != nil || len(random) != suffixSize || !f.Mode().IsRegular() || !f.ModTime().Before(now.Add(-maxUnfinished)) {
			continue
		}
		if err := client.Remove(path.Join(entry, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", path.Join(entry, f.Name()), err)
		}
	}
	return nil
}
