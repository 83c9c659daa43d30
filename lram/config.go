package lram

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"gridrun/lram/store"
)

// Config: the zero value works. All ranks of a New pass the same.
type Config struct {
	File      string // a configuration file; fields set here win over it
	Memory    int64  // bytes for each host's cache; 0: a quarter of what the host may use
	BlockSize int64  // bytes aimed at where the file has no chunks of its own; 0: chosen

	// Stores are places besides local files, by scheme. They count where the
	// cache is inside this process; a host service has its own.
	Stores store.Set
}

// fileConfig is a configuration file: {"memory": "2GiB", "block_size": 262144}.
type fileConfig struct {
	Memory    size `json:"memory"`
	BlockSize size `json:"block_size"`
}

// size is a number of bytes in JSON: 1048576 or "1MiB".
type size int64

func (s *size) UnmarshalJSON(b []byte) error {
	text := strings.TrimSpace(strings.Trim(string(b), `"`))
	number := strings.TrimRight(text, "BKMGTi ")
	unit := strings.TrimSpace(text[len(number):])
	scale, ok := map[string]float64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[unit]
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || f < 0 || f*scale >= math.MaxInt64 || f*scale != math.Trunc(f*scale) {
		return fmt.Errorf("%s is not a size; write bytes, or a number with KiB, MiB, GiB or TiB", b)
	}
	*s = size(f * scale)
	return nil
}

// parseConfig reads a configuration file's text.
func parseConfig(r io.Reader) (fileConfig, error) {
	var f fileConfig
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("more text behind the closing brace")
	}
	return f, nil
}

// load completes c from its file.
func (c Config) load() (Config, error) {
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return c, fmt.Errorf("configuration: %w", err)
		}
		defer f.Close()
		set, err := parseConfig(f)
		if err != nil {
			return c, fmt.Errorf("configuration %s: %w", c.File, err)
		}
		if c.Memory == 0 {
			c.Memory = int64(set.Memory)
		}
		if c.BlockSize == 0 {
			c.BlockSize = int64(set.BlockSize)
		}
	}
	switch {
	case c.Memory < 0:
		return c, fmt.Errorf("Memory is %d bytes", c.Memory)
	case c.BlockSize < 0 || c.BlockSize > 1<<30:
		return c, fmt.Errorf("BlockSize is %d bytes; it must be between 1 and 1 GiB, or 0", c.BlockSize)
	}
	return c, nil
}
