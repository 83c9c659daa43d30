package bench

import "testing"

func TestBusyTicks(t *testing.T) {
	for text, want := range map[string]int64{
		"cpu  1 2 4 1000 1000 8 16 32 7 7\ncpu0 9": 63,
		"cpu  5": 5,
		"":       0,
	} {
		if got := busyTicks(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
