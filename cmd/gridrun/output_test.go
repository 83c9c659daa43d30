package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridrun/launcher/output"
	"gridrun/launcher/rankset"
)

// A printout is what one rank prints on one stream in TestOutputModes: lines
// that all ranks print, lines of its own, zero bytes, bytes that are no text,
// and a last line without its end.
func printout(rank, size int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(rank), 7))
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		switch rnd.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "step %d of everybody\n", i)
		case 1:
			fmt.Fprintf(&b, "rank %d has %d\n\n", rank, rnd.Int())
		default:
			for range rnd.IntN(400) {
				b.WriteByte(byte(rnd.Int()))
			}
		}
	}
	b.WriteString("\nall are done\nhalf a line")
	return b.Bytes()
}

// streams are the bytes of each rank's standard output and error.
type streams [2][][]byte

// unfold takes lines `[0-3] text` apart, time and stream mark dropped.
func unfold(t *testing.T, shown []byte, np int, stamped bool, mark string) [][]byte {
	t.Helper()
	ranks := make([][]byte, np)
	for line := range bytes.Lines(shown) {
		if stamped {
			if _, err := time.Parse(output.Stamp, string(line[:min(len(line), len(output.Stamp))])); err != nil {
				t.Fatalf("no time: %.80q", line)
			}
			line = line[len(output.Stamp):]
		}
		set, text, ok := bytes.Cut(line, []byte("]"+mark+" "))
		who, err := rankset.Expand(string(bytes.TrimPrefix(set, []byte("["))))
		if !ok || err != nil || len(who) == 0 {
			t.Fatalf("no ranks: %.80q", line)
		}
		for _, r := range who {
			ranks[r] = append(ranks[r], text...)
		}
	}
	return ranks
}

// sameBytes compares what came out with what ranks printed.
func sameBytes(t *testing.T, what string, got [][]byte, want [][]byte, newline string) {
	t.Helper()
	for r := range want {
		if full := string(want[r]) + newline; string(got[r]) != full {
			t.Errorf("%s: rank %d: %d bytes, want %d, or others", what, r, len(got[r]), len(full))
		}
	}
}

// TestOutputModes runs ranks that print all sorts of bytes on both streams at
// once, and takes what each mode shows apart again: not a byte may be missing.
func TestOutputModes(t *testing.T) {
	modes := map[string]func(t *testing.T, np int, shown [2][]byte, dir string, want streams){
		"--tag-output": func(t *testing.T, np int, shown [2][]byte, _ string, want streams) {
			sameBytes(t, "stdout", unfold(t, shown[0], np, false, ""), want[0], "\n")
			sameBytes(t, "stderr", unfold(t, shown[1], np, false, "<stderr>"), want[1], "\n")
		},
		"--timestamp-output --tag-output": func(t *testing.T, np int, shown [2][]byte, _ string, want streams) {
			sameBytes(t, "stdout", unfold(t, shown[0], np, true, ""), want[0], "\n")
			sameBytes(t, "stderr", unfold(t, shown[1], np, true, "<stderr>"), want[1], "\n")
		},
		"--fold-output": func(t *testing.T, np int, shown [2][]byte, _ string, want streams) {
			sameBytes(t, "stdout", unfold(t, shown[0], np, false, ""), want[0], "\n")
			sameBytes(t, "stderr", unfold(t, shown[1], np, false, ""), want[1], "\n")
		},
		"--fold-output --timestamp-output --tag-output": func(t *testing.T, np int, shown [2][]byte, _ string, want streams) {
			sameBytes(t, "stdout", unfold(t, shown[0], np, true, ""), want[0], "\n")
			sameBytes(t, "stderr", unfold(t, shown[1], np, true, "<stderr>"), want[1], "\n")
		},
		"--output-dir DIR": func(t *testing.T, np int, shown [2][]byte, dir string, want streams) {
			if len(shown[0])+len(shown[1]) > 0 {
				t.Errorf("shown: %.80q, %.80q", shown[0], shown[1])
			}
			sameBytes(t, "out", readRanks(t, dir, np, ".out"), want[0], "")
			sameBytes(t, "err", readRanks(t, dir, np, ".err"), want[1], "")
		},
		"--output-dir DIR --tee --fold-output": func(t *testing.T, np int, shown [2][]byte, dir string, want streams) {
			sameBytes(t, "out", readRanks(t, dir, np, ".out"), want[0], "")
			sameBytes(t, "err", readRanks(t, dir, np, ".err"), want[1], "")
			sameBytes(t, "stdout", unfold(t, shown[0], np, false, ""), want[0], "\n")
		},
		"": func(t *testing.T, np int, shown [2][]byte, _ string, want streams) {
			for s := range shown {
				size := 0
				for _, b := range want[s] {
					size += len(b)
				}
				if np == 1 && !bytes.Equal(shown[s], want[s][0]) || len(shown[s]) != size {
					t.Errorf("stream %d: %d bytes of %d, or others", s, len(shown[s]), size)
				}
			}
		},
	}
	path := bin(t)
	for np, size := range map[int]int{1: 2 << 20, 2: 1 << 20, 5: 300 << 10, 93: 10 << 10} {
		data := t.TempDir()
		var want streams
		for r := range np {
			for s, ext := range []string{".out", ".err"} {
				text := printout(2*r+s, size)
				want[s] = append(want[s], text)
				if err := os.WriteFile(filepath.Join(data, fmt.Sprint(r)+ext), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		for mode, check := range modes {
			t.Run(strings.TrimSpace(fmt.Sprintf("%d %s", np, mode)), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "not", "yet")
				words := append([]string{"-H", "localhost:93", "-np", fmt.Sprint(np)}, strings.Fields(strings.ReplaceAll(mode, "DIR", dir))...)
				words = append(words, "sh", "-c", `cat "$0/$GRIDRUN_RANK.err" >&2 & cat "$0/$GRIDRUN_RANK.out"; wait`, data)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, filepath.Join(path, "gridrun"), words...)
				cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+data)
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if err := cmd.Run(); err != nil {
					t.Fatalf("%v: %.300s", err, stderr.Bytes())
				}
				check(t, np, [2][]byte{stdout.Bytes(), stderr.Bytes()}, dir, want)
			})
		}
	}
}

// readRanks reads the files of all ranks in dir.
func readRanks(t *testing.T, dir string, np int, ext string) (all [][]byte) {
	t.Helper()
	width := len(fmt.Sprint(np - 1))
	for r := range np {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("rank.%0*d%s", width, r, ext)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}
