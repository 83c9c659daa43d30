package place

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func host(name string, slots int) Host { return Host{Name: name, Slots: slots} }

func TestParseHostfile(t *testing.T) {
	for text, want := range map[string][]Host{
		"# our cluster\nnode1 slots=4\n\nnode2:2  # small\nnode3\nnode1\n": {host("node1", 5), host("node2", 2), host("node3", 0)},
		"a slots = 4 max_slots= 8":        {{Name: "a", Slots: 4, MaxSlots: 8}},
		"a:4 max-slots=8":                 {{Name: "a", Slots: 4, MaxSlots: 8}},
		"a max_slots=8":                   {{Name: "a", MaxSlots: 8}},
		"\ufeffa\r\nb:2\r\n":              {host("a", 0), host("b", 2)},
		"bob@a port=2222":                 {{Name: "a", User: "bob", Port: 2222}},
		"a user=bob@ad.example slots=2":   {{Name: "a", User: "bob@ad.example", Slots: 2}},
		"bob@ad.example@a":                {{Name: "a", User: "bob@ad.example"}},
		"node[1-3]:2":                     {host("node1", 2), host("node2", 2), host("node3", 2)},
		"bob@n[09-10,7].x port=9":         {{Name: "n09.x", User: "bob", Port: 9}, {Name: "n10.x", User: "bob", Port: 9}, {Name: "n7.x", User: "bob", Port: 9}},
		"r[1-2]n[1-2]":                    {host("r1n1", 0), host("r1n2", 0), host("r2n1", 0), host("r2n2", 0)},
		"n[1-2,2]":                        {host("n1", 0), host("n2", 0)},
		"[1-2]":                           {host("1", 0), host("2", 0)},
		"10.0.0.[9-11]":                   {host("10.0.0.9", 0), host("10.0.0.10", 0), host("10.0.0.11", 0)},
		"[fe80::1]:4":                     {host("fe80::1", 4)},
		"2001:db8::1 slots=2":             {host("2001:db8::1", 2)},
		"fe80::1:4":                       {host("fe80::1:4", 0)},
		"bob@[fe80::1%eth0] port=22":      {{Name: "fe80::1%eth0", User: "bob", Port: 22}},
		"a\na":                            {host("a", 2)},
		"a slots=2 max_slots=4\na:3":      {{Name: "a", Slots: 5, MaxSlots: 7}},
		"a:3\na max_slots=4":              {{Name: "a", Slots: 4, MaxSlots: 7}},
		"n[1-3]:2\nn2\nbob@b\nb user=bob": {host("n1", 2), host("n2", 3), host("n3", 2), {Name: "b", User: "bob", Slots: 2}},
	} {
		got, err := ParseHostfile("hosts", strings.NewReader(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseHostfileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "hosts names no host; a line is `node1 slots=4`",
		"# nothing":                "hosts names no host; a line is `node1 slots=4`",
		"a\nb slots=x":             `hosts:2: "slots=x": "x" slots; a host has 1 to 65536`,
		"a slots=0":                `hosts:1: "slots=0": "0" slots; a host has 1 to 65536`,
		"a cores=2":                `hosts:1: "cores=2" is not understood; behind the host stand slots=N, max_slots=N, user=NAME and port=N`,
		"a 4":                      `hosts:1: "4" is not understood; behind the host stand slots=N, max_slots=N, user=NAME and port=N`,
		"a:2 slots=2":              `hosts:1: "slots=2": the line has its slots twice`,
		"a slots=2 slots=":         `hosts:1: "slots=": the line has its slots twice`,
		"a port=1 port=1":          `hosts:1: "port=1": the line has its port twice`,
		"c@a user=b":               `hosts:1: "user=b": the line has its user twice`,
		"a slots=5 max_slots=4":    `hosts:1: slots=5 is above max_slots=4`,
		"a port=0":                 `hosts:1: "port=0": "0" is no port; it is a number of 1 to 65535`,
		"a port=70000":             `hosts:1: "port=70000": "70000" is no port; it is a number of 1 to 65535`,
		"a user=":                  `hosts:1: "user=": "" is no user name; write it as in bob@node1 or user=bob`,
		"-l@a":                     `hosts:1: "-l" is no user name; write it as in bob@node1 or user=bob`,
		"a user=b;c":               `hosts:1: "user=b;c": "b;c" is no user name: ';' cannot stand in one`,
		":3":                       `hosts:1: "" is no host name; write one like node1 or 10.0.0.7`,
		"bob@":                     `hosts:1: "" is no host name; write one like node1 or 10.0.0.7`,
		"-oProxy=x":                `hosts:1: "-oProxy=x" is no host name: it starts with "-"`,
		"slots=4":                  `hosts:1: "slots=4" is no host name: '=' cannot stand in one`,
		"a,b":                      `hosts:1: "a,b": "a,b" stands outside of a range; a range is node[1-3,7]`,
		"a:b":                      `hosts:1: "a:b": "b" slots; a host has 1 to 65536 (a port is the word port=N of a hostfile)`,
		"a:99999999":               `hosts:1: "a:99999999": "99999999" slots; a host has 1 to 65536 (a port is the word port=N of a hostfile)`,
		"a:2:3":                    `hosts:1: "a:2:3" is no IPv6 address, and a name has one colon at most, as in node1:4`,
		"[a:2]":                    `hosts:1: "a:2" is no IPv6 address, and a name has one colon at most, as in node1:4`,
		"[::1]4":                   `hosts:1: "[::1]4" has "4" behind the address; only a colon and a number can stand there, as in [::1]:4`,
		"[::1]:":                   `hosts:1: "[::1]:": "" slots; a host has 1 to 65536 (a port is the word port=N of a hostfile)`,
		"fe80::1%a;b":              `hosts:1: "fe80::1%a;b" is no IPv6 address: "a;b" is not the name of an interface`,
		"n[1-":                     `hosts:1: "n[1-": the bracket is not closed; a range is node[1-3,7]`,
		"n[3-1]":                   `hosts:1: "n[3-1]": range 3-1 runs backwards; write 1-3`,
		"n[1-03]":                  `hosts:1: "n[1-03]": range 1-03 has leading zeros that differ; write as many digits at both ends`,
		"n[1,]":                    `hosts:1: "n[1,]": "" is no number; a range is [1-3,7]`,
		"n[a-c]":                   `hosts:1: "n[a-c]": "a" is no number; a range is [1-3,7]`,
		"n[]":                      `hosts:1: "n[]": "" is no number; a range is [1-3,7]`,
		"n1]":                      `hosts:1: "n1]": "n1]" stands outside of a range; a range is node[1-3,7]`,
		"n[1-999999]":              `hosts:1: "n[1-999999]": range 1-999999 has more than 65536 numbers`,
		"n[1-65536,70000]":         `hosts:1: "n[1-65536,70000]": the range has more than 65536 numbers`,
		"n[1-999][1-999]":          `hosts:1: "n[1-999][1-999]" stands for more than 65536 hosts`,
		"n[1-65536]\nx":            `hosts:2: more than 65536 hosts`,
		"a:65536\na":               `hosts:2: host a has more than 65536 slots in all its mentions`,
		"a\n\nbob@a":               `hosts:3: host a is bob@a here and a in line 1; it needs the same user and port wherever it stands`,
		"n[1-9] port=2\nn3 port=3": `hosts:2: host n3 is n3:3 here and n3:2 in line 1; it needs the same user and port wherever it stands`,
		"a\x00b":                   `hosts:1: "a\x00b" is no host name: '\x00' cannot stand in one`,
		strings.Repeat("x", 256):   `hosts:1: "` + strings.Repeat("x", 40) + `"... is no host name: it has more than 255 bytes`,
	} {
		if got, err := ParseHostfile("hosts", strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v\nwant %s", text, got, err, want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := ParseHostfile("hosts", iotest.ErrReader(broken)); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "hosts: ") {
		t.Errorf("a file that cannot be read: %v", err)
	}
	large := bytes.NewReader(bytes.Repeat([]byte("#"), maxFile+1))
	if _, err := ParseHostfile("hosts", large); err == nil || !strings.Contains(err.Error(), "is it the right file?") {
		t.Errorf("a large file: %v", err)
	}
}

func TestParseHosts(t *testing.T) {
	for text, want := range map[string][]Host{
		"a:4,b,c:2,b":                   {host("a", 4), host("b", 2), host("c", 2)},
		"a:4,user@b:2,n[1-2]:2,[::1]:2": {host("a", 4), {Name: "b", User: "user", Slots: 2}, host("n1", 2), host("n2", 2), host("::1", 2)},
		"n[1,3-4],::1":                  {host("n1", 0), host("n3", 0), host("n4", 0), host("::1", 0)},
	} {
		if got, err := ParseHosts(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":        `"" is no host name`,
		"a,":      `"" is no host name`,
		"a:0":     `"0" slots`,
		"a:b":     `"b" slots`,
		"a b":     `' ' cannot stand in one`,
		"n[1,b":   "the bracket is not closed",
		"a,bob@a": "host a is bob@a here and a in entry 1",
	} {
		if hosts, err := ParseHosts(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want an error with %q", text, hosts, err, want)
		}
	}
}

// TestExample reads the example that the repository gives its users.
func TestExample(t *testing.T) {
	const path = "../../hostfile.example"
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := ParseHostfile(path, file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Host{
		{Name: "localhost", Slots: 4},
		{Name: "node1", Slots: 6},
		{Name: "node2", Slots: 8},
		{Name: "node3"},
		{Name: "node4", Slots: 4, MaxSlots: 8},
		{Name: "node5", User: "ann", Slots: 2},
		{Name: "node6", User: "ann", Port: 2222, Slots: 2},
	}
	for _, n := range []string{"node07", "node08", "node09", "node10", "node12", "rack1-a1", "rack1-a2", "rack2-a1", "rack2-a2"} {
		want = append(want, host(n, 16))
	}
	want = append(want, host("192.168.7.20", 4), host("2001:db8::1", 2), host("fe80::7%eth0", 4))
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func FuzzHostfile(f *testing.F) {
	for _, s := range []string{
		"a slots=4\nb:2\n", "#", "a slots=", "x:1\nx", "\ufeffbob@n[01-3,7]:2 port=22\r\n",
		"[fe80::1%e]:4\n2001:db8::1 slots = 2", "a max_slots=2 user=b", "n[1-3]\nn2 max-slots=9", "r[1-2]n[1][9-8]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if list, err := ParseHostfile("f", strings.NewReader(text)); err == nil {
			checkHosts(t, list)
		}
	})
}

func FuzzHosts(f *testing.F) {
	for _, s := range []string{"a:4,user@b:2,node[1-3]:2,[::1]:2", "a,a", "n[1,2", "]", "::1,a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseHosts(text)
		if err != nil {
			return
		}
		checkHosts(t, list)
		known := map[string]bool{}
		var names []string
		for _, h := range list {
			known[h.Name] = true
			names = append(names, h.Name)
		}
		folded := FoldHosts(names)
		again, err := ParseHosts(folded)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%q folds to %q, %d hosts of %d, %v", text, folded, len(again), len(list), err)
		}
		for _, h := range again {
			if !known[h.Name] {
				t.Fatalf("%q folds to %q with %s", text, folded, h.Name)
			}
		}
	})
}

// checkHosts checks what holds for any list of hosts: names once, that a command
// line and a rankfile can take, and numbers in their bounds.
func checkHosts(t *testing.T, list []Host) {
	seen := map[string]bool{}
	for _, h := range list {
		if h.Name == "" || h.Name[0] == '-' || strings.ContainsAny(h.Name, " ,@[]\x00") || seen[h.Name] || len(h.Name) > 300 ||
			h.Slots < 0 || h.Slots > MaxSlots || h.MaxSlots < 0 || h.MaxSlots > MaxSlots ||
			h.MaxSlots != 0 && h.MaxSlots < h.Slots || h.Port < 0 || h.Port > 65535 {
			t.Fatalf("%+v in %+v", h, list)
		}
		seen[h.Name] = true
	}
	if len(list) > 100 {
		list = list[:100]
	}
	// the form of messages names the host in a rankfile
	for i, h := range list {
		f, err := ParseRankfile("r", strings.NewReader("rank 0="+h.String()))
		if err != nil || f.Hosts[0] != (Host{Name: h.Name, User: h.User, Port: h.Port, Slots: 1}) {
			t.Fatalf("host %d, %v: %v, %v", i, h, f, err)
		}
	}
}
