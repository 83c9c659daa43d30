package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// configPath is the user's config file; "" for somebody without a home.
func configPath() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "gridrun", "config")
}

// configFlags reads the user's config file, if there is one, as flags.
func configFlags(known []flagSpec) (section, error) {
	path := configPath()
	if path == "" {
		return section{}, nil
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return section{}, nil // a home that is none (/dev/null), or somebody else's, holds no settings of ours
	}
	file, err := os.Open(path)
	if err != nil {
		return section{}, err
	}
	defer file.Close()
	return parseConfig(path, file, known)
}

// parseConfig reads lines `flag = value`, or `flag` alone for a switch; #
// starts a comment line. no-flag is flag = false. path is for messages.
func parseConfig(path string, r io.Reader, known []flagSpec) (s section, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		word := "--" + name
		if given {
			word += "=" + value
		}
		flag, value, given, ok := findFlag(word, known)
		switch {
		case !ok || name == "":
			return s, fmt.Errorf("%s:%d: %w", path, n, unknownFlag(name, known))
		case flag.value && !given:
			return s, fmt.Errorf("%s:%d: %s needs a value", path, n, name)
		case given:
			s.flags = append(s.flags, "--"+flag.name+"="+value)
		default:
			s.flags = append(s.flags, "--"+flag.name)
		}
		s.names = append(s.names, flag.name)
	}
	if err := lines.Err(); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
