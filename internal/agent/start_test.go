package agent

import (
	"strings"
	"testing"

	"gridrun/internal/wire"
)

// TestWelcomeFits: a packet holds 208 KiB where nobody has set the system
// otherwise; a command line holds more.
func TestWelcomeFits(t *testing.T) {
	for _, c := range []struct {
		args []string
		kept bool
	}{
		{nil, false},
		{[]string{"a", "b c"}, true},
		{[]string{strings.Repeat("x", maxWelcomeArgs)}, false},
		{strings.Split(strings.Repeat("a", 100_000), ""), false},
	} {
		got := welcomeArgs(c.args)
		data, err := wire.Marshal(&wire.Welcome{Args: got})
		if err != nil || len(data) > 2*maxWelcomeArgs || (got != nil) != c.kept {
			t.Errorf("%d arguments: %d are repeated, in %d bytes, %v", len(c.args), len(got), len(data), err)
		}
	}
}
