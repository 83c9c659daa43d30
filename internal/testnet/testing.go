//go:build linux

package testnet

import (
	"testing"

	"gridrun/internal/needs"
)

// New makes a net for a test, which removes it at its end. It fails the test,
// or skips it aloud, if the machine cannot make one.
func New(t testing.TB, cfg Config) *Net {
	t.Helper()
	needs.Root(t, "network namespaces")
	for _, need := range new(tools).needed() {
		if _, err := findTool(need.name); err != nil {
			needs.Command(t, need.name, need.pkg)
		}
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
