package main

import "testing"

func TestPorts(t *testing.T) {
	for text, want := range map[string]ports{"5000": {5000, 5000}, "5000-5010": {5000, 5010}, "1-65535": {1, 65535}} {
		var p ports
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "0", "-5", "5-", "5010-5000", "1-65536", "http", "1-2-3", "0-9"} {
		if new(ports).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
