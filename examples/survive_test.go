package examples_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestThreeKills has three ranks kill themselves: one job goes on without them,
// the other is started again three times. Both get the right answer.
func TestThreeKills(t *testing.T) {
	bin := build(t)
	for _, n := range []int{5, 8, 16} {
		for _, c := range []struct {
			args []string
			out  string
			err  string
		}{
			{[]string{"--on-failure", "continue", filepath.Join(bin, "survive"), "-deaths", "3"}, fmt.Sprintf("say %d of %d ranks", n-3, n), fmt.Sprintf("3 of %d ranks did not end well", n)},
			{[]string{"--restarts", "3", filepath.Join(bin, "restart"), "-deaths", "3", "-dir", t.TempDir()}, "20 steps in 4 starts", "restart 3 of 3"},
		} {
			cmd := exec.Command(filepath.Join(bin, "gridrun"), append([]string{"-np", fmt.Sprint(n), "--timeout", "60"}, c.args...)...)
			var out, errOut strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errOut
			if err := cmd.Run(); err != nil || !strings.Contains(out.String(), c.out) || !strings.Contains(errOut.String(), c.err) {
				t.Errorf("%v: %v\n%s%s", cmd.Args, err, &out, &errOut)
			}
		}
	}
}
