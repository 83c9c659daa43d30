package lram

import (
	"strings"
	"testing"
)

func TestConfigFile(t *testing.T) {
	for _, c := range []struct {
		text string
		want fileConfig
		err  string
	}{
		{`{}`, fileConfig{}, ""},
		{`{"memory": 1048576, "block_size": "64 KiB"}`, fileConfig{1 << 20, 64 << 10}, ""},
		{`{"memory": "1.5GiB"}`, fileConfig{3 << 29, 0}, ""},
		{`{"memory": "2 apples"}`, fileConfig{}, "is not a size"},
		{`{"memory": -5}`, fileConfig{}, "is not a size"},
		{`{"memory": "1e30TiB"}`, fileConfig{}, "is not a size"},
		{`{"cache": 5}`, fileConfig{}, "unknown field"},
		{`{} {}`, fileConfig{}, "more text"},
		{``, fileConfig{}, "EOF"},
	} {
		got, err := parseConfig(strings.NewReader(c.text))
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %+v, %v; want %+v, %q", c.text, got, err, c.want, c.err)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add(`{"memory": "1MiB"}`)
	f.Add(`{"memory": 12, "block_size": 3e3}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(strings.NewReader(text))
		if err == nil && (c.Memory < 0 || c.BlockSize < 0) {
			t.Errorf("%q is %+v", text, c)
		}
	})
}
