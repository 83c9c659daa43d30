package rt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridrun/internal/packet"
	"gridrun/internal/transport/shm"
	"gridrun/internal/wire"
)

// TestStrangeProgram: a program of another build says so to the agent, which has it
// said once for all ranks, whatever the difference is.
func TestStrangeProgram(t *testing.T) {
	s, err := shm.Create([]int{0, 1}, [][]int{{0}, {1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	header := make([]byte, 128)
	if _, err := s.File().ReadAt(header, 0); err != nil {
		t.Fatal(err)
	}
	header[8]++ // the layout's version
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, header, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		welcome wire.Welcome
		says    string
	}{
		"protocol": {wire.Welcome{Version: wire.Version + 1, Ranks: []int{3}}, "protocol"},
		"segment":  {wire.Welcome{Version: wire.Version, Ranks: []int{3}, Segment: true}, "its layout has version"},
	} {
		t.Run(name, func(t *testing.T) {
			agent, rank, err := packet.Pair()
			if err != nil {
				t.Fatal(err)
			}
			defer agent.Close()
			defer rank.Close()
			var f *os.File
			if c.welcome.Segment {
				if f, err = os.Open(path); err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			if err := agent.Send(&c.welcome, f); err != nil {
				t.Fatal(err)
			}
			if _, err := meet(rank); !errors.Is(err, errReported) {
				t.Fatalf("meet: %v, want errReported", err)
			}
			m, _, err := agent.Receive()
			if err != nil {
				t.Fatal(err)
			}
			failed, ok := m.(*wire.Failed)
			if !ok || failed.Failure.Rank != 3 || failed.Failure.Code != refusal || !strings.Contains(failed.Failure.Text, "another version of gridrun") || !strings.Contains(failed.Failure.Text, c.says) {
				t.Errorf("the agent hears %+v", m)
			}
		})
	}
}
