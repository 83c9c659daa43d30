package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"gridrun/internal/needs"
)

// TestOnlyIPv6: ranks of a machine whose only address is ::1 reach each other over TCP.
func TestOnlyIPv6(t *testing.T) {
	needs.Root(t, "a network namespace")
	needs.Command(t, "ip", "iproute2")
	cmd := exec.Command("unshare", "--net", "sh", "-c", `
		ip link set lo up && ip addr del 127.0.0.1/8 dev lo &&
		{ ip -6 addr show dev lo | grep -q ::1 || ip addr add ::1/128 dev lo; } &&
		exec "$0" -np 3 --transport tcp --timeout 60 __hello`, filepath.Join(bin(t), "gridrun"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
