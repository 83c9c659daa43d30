package ship

import (
	"encoding/hex"
	"fmt"
	"path"
	"time"

	"github.com/pkg/sftp"
)

// MaxAge is for how long an entry of the cache may lie unused.
const MaxAge = 30 * 24 * time.Hour

// Prune removes the entries of the cache directory dir that were last used
// before the given time, and returns their hashes. What is no cache entry stays.
func Prune(client *sftp.Client, dir string, before time.Time) ([]string, error) {
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
		if !used.Before(before) {
			continue
		}
		if err := client.RemoveAll(entry); err != nil {
			return removed, fmt.Errorf("removing %s: %w", entry, err)
		}
		removed = append(removed, e.Name())
	}
	return removed, nil
}
