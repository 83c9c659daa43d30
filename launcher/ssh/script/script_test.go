package script

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"gridrun/internal/needs"
	"gridrun/launcher/ship"
)

// talk runs the script under a login shell with input after its first line.
func talk(t *testing.T, shell []string, home, first, input string) (out, said string) {
	t.Helper()
	cmd := exec.Command(shell[0], append(shell[1:], "-c", Command)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	if home != "" {
		cmd.Env = append(cmd.Env, "HOME="+home)
	}
	// One byte at a time must do as well as all at once.
	cmd.Stdin = iotest.OneByteReader(strings.NewReader(first + input))
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	cmd.Run()
	return o.String(), e.String()
}

func TestScriptInShells(t *testing.T) {
	if strings.ContainsAny(strings.NewReplacer("'read -r s; eval \"$s\"'", "").Replace(Command), "'!\\\n\"$") {
		t.Fatalf("the command is not plain: %s", Command)
	}
	for _, shell := range [][]string{{"sh"}, {"bash"}, {"bash", "--posix"}, {"dash"}} {
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			needs.Command(t, shell[0], shell[0])
			home := t.TempDir()
			cache := filepath.Join(home, ".cache", "gridrun")
			known := map[ship.Platform]ship.File{ship.Here(): {Hash: "cafe", Size: 10}}
			first := FirstLine("@m", "__guard", "", known)
			if strings.Count(first, "\n") != 1 || !strings.HasSuffix(first, "\n") {
				t.Fatalf("not one line: %q", first)
			}
			out, said := talk(t, shell, home, first, "")
			if want := "@m need " + ship.Here().Uname() + " " + cache + "\n"; out != want || said != "" {
				t.Fatalf("%q %q, want %q", out, said, want)
			}
			writeFile(t, filepath.Join(cache, "cafe", "gridrun"), "#!/bin/sh\necho I am $0 $1, umask $(umask)\ncat\n")
			os.Chmod(filepath.Join(cache, "cafe", "gridrun"), 0o700)
			// Ranks make files as the user's login shell would.
			mask, _ := exec.Command("sh", "-c", "umask").Output()
			const rest = "bytes for the agent\n"
			agent := "I am " + filepath.Join(cache, "cafe", "gridrun") + " __guard, umask " + string(mask) + rest
			out, said = talk(t, shell, home, first, rest)
			if want := "@m have " + ship.Here().Uname() + " " + cache + "\n" + agent; out != want || said != "" {
				t.Fatalf("%q %q, want %q", out, said, want)
			}
			if _, err := os.Stat(filepath.Join(cache, "cafe", "used")); err != nil {
				t.Error(err)
			}
			// A hash that only the launcher's answer tells.
			out, said = talk(t, shell, home, FirstLine("@m", "__guard", "", nil), "go cafe\n"+rest)
			if want := "@m need " + ship.Here().Uname() + " " + cache + "\n" + agent; out != want || said != "" {
				t.Fatalf("%q %q, want %q", out, said, want)
			}
			// Every directory is turned down.
			out, _ = talk(t, shell, home, FirstLine("@m", "__guard", filepath.Join(home, "own"), nil), strings.Repeat("next\n", 6))
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if a, ok := ParseAnswer(lines[len(lines)-1], "@m"); !ok || a.Word != "none" || len(lines) < 4 {
				t.Fatalf("%q", out)
			}
			if a, ok := ParseAnswer(lines[0], "@m"); !ok || a.Dir != filepath.Join(home, "own") {
				t.Fatalf("%q", out)
			}
			// No home at all.
			out, _ = talk(t, shell, "", first, "")
			if a, ok := ParseAnswer(strings.TrimSpace(out), "@m"); !ok || a.Word != "need" || !strings.HasPrefix(a.Dir, "/var/tmp/gridrun-") {
				t.Fatalf("%q", out)
			}
			// A file in the way.
			os.RemoveAll(cache)
			writeFile(t, cache, "")
			out, _ = talk(t, shell, home, first, "")
			line, _, _ := strings.Cut(out, "\n")
			if a, ok := ParseAnswer(line, "@m"); !ok || a.Word != "skip" || a.Dir != cache || !strings.Contains(a.Reason, "cannot be made") {
				t.Fatalf("%q", out)
			}
		})
	}
	os.Remove("/var/tmp/gridrun-" + uid())
	os.Remove("/tmp/gridrun-" + uid())
	os.Remove("/dev/shm/gridrun-" + uid())
}

func uid() string {
	out, err := exec.CommandContext(context.Background(), "id", "-u").Output()
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(out))
}

// Under /tmp, what somebody else has made is not taken.
func TestForeignDirectories(t *testing.T) {
	needs.Root(t, "files of another user")
	for _, c := range []struct {
		name string
		make func(dir string) error
	}{
		{"another user's", func(dir string) error {
			if err := os.Mkdir(dir, 0o777); err != nil {
				return err
			}
			return os.Chown(dir, 65534, 65534)
		}},
		{"a link", func(dir string) error { return os.Symlink(t.TempDir(), dir) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			// The same test that the script makes of /tmp/gridrun-UID.
			dir := filepath.Join(home, "gridrun-"+uid())
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			out, _ := talk(t, []string{"sh"}, home, FirstLine("@m", "__guard", dir, nil), "")
			line, _, _ := strings.Cut(out, "\n")
			if a, ok := ParseAnswer(line, "@m"); !ok || a.Word != "skip" || !strings.Contains(a.Reason, "somebody else") {
				t.Fatalf("%q", out)
			}
			// Nor is a binary there run.
			writeFile(t, filepath.Join(dir, "cafe", "gridrun"), "#!/bin/sh\necho mine\n")
			os.Chmod(filepath.Join(dir, "cafe", "gridrun"), 0o777)
			first := FirstLine("@m", "__guard", dir, map[ship.Platform]ship.File{ship.Here(): {Hash: "cafe"}})
			if out, _ := talk(t, []string{"sh"}, home, first, ""); strings.Contains(out, "mine") || strings.Contains(out, "have") {
				t.Fatalf("%q", out)
			}
		})
	}
}

var scriptLines = []struct {
	line string
	want Answer
	ok   bool
}{
	{"@m have Linux x86_64 /home/a b/c", Answer{"have", "Linux", "x86_64", "/home/a b/c", ""}, true},
	{"noise@m need Linux aarch64 /d", Answer{"need", "Linux", "aarch64", "/d", ""}, true},
	{"@m need Linux aarch64 /d\r", Answer{"need", "Linux", "aarch64", "/d", ""}, true},
	{"@m none Linux x86_64", Answer{"none", "Linux", "x86_64", "", ""}, true},
	{"@m skip /d e\tit is full", Answer{"skip", "", "", "/d e", "it is full"}, true},
	{"@m have Linux x86_64 d", Answer{}, false},
	{"@m have Linux", Answer{}, false},
	{"@m", Answer{}, false},
	{"@mhave Linux x86_64 /d", Answer{}, false},
	{"have Linux x86_64 /d", Answer{}, false},
	{"", Answer{}, false},
}

func TestParseAnswer(t *testing.T) {
	for _, c := range scriptLines {
		got, ok := ParseAnswer(c.line, "@m")
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %+v, %v", c.line, got, ok)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, c := range scriptLines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, ok := ParseAnswer(line, "@m")
		if ok && (a.Word == "have" || a.Word == "need") && (!strings.HasPrefix(a.Dir, "/") || a.System == "") {
			t.Fatalf("%q: %+v", line, a)
		}
		if ok && !strings.Contains(line, "@m ") {
			t.Fatalf("%q was taken without a marker", line)
		}
	})
}

func TestShellQuote(t *testing.T) {
	for _, text := range []string{"", "a", "a b", "it's", `"$HOME"`, "a\nb", "`x`", "~", "*", "[x]:1", "é", `\`} {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(text)).Output()
		if text == "~" {
			continue // a home, as users write it
		}
		if err != nil || string(out) != text {
			t.Errorf("%q came out as %q, %v", text, out, err)
		}
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}
