package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/rt"
)

// TestMain lets the test binary be gridrun: tests run it by that name, and it
// starts itself as guard, agent and ranks.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "__") { // started by a wrapper, under its own path
		main()
	}
	switch filepath.Base(os.Args[0]) {
	case "gridrun":
		main()
	case "observed":
		rt.Main(observed)
	case "tester":
		rt.Main(tester)
	}
	// Most tests wait for others' processes more than they compute.
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
	// A process under the race detector would wait a second for others' reports at its exit.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	os.Exit(m.Run())
}

// bin makes a directory where this binary is called gridrun.
func bin(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "gridrun")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// moduleCache is where Go keeps modules, whatever the home of a script.
var moduleCache = sync.OnceValue(func() string {
	said, _ := exec.Command("go", "env", "GOMODCACHE").Output()
	return strings.TrimSpace(string(said))
})

// shell runs a script of commands in an empty directory, with gridrun in $PATH
// and no settings of the user's. It fails the test when the script fails.
func shell(t *testing.T, script string) {
	t.Helper()
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", prelude+script)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + bin(t) + ":" + os.Getenv("PATH"),
		"EXAMPLES=" + examples,
		"HOME=" + cmd.Dir,
		"TMPDIR=" + cmd.Dir,
		"GOCACHE=" + filepath.Join(cache, "go-build"),
		"GOMODCACHE=" + moduleCache(),
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "GO") && !strings.HasPrefix(kv, "GOCACHE=") && !strings.HasPrefix(kv, "GOFLAGS=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// prelude is what scripts assert with. `run` keeps a command's output in files
// out and err and its exit code in $code.
const prelude = `
fail() { echo "FAILED: $*"; echo "--- code $code, out:"; head -c 2000 out; echo "--- err:"; head -c 2000 err; exit 1; }
run() { echo "+ $*"; code=0; "$@" >out 2>err || code=$?; }
ok() { run "$@"; [ $code = 0 ] || fail "code $code"; }
code() { [ "$code" = "$1" ] || fail "want code $1"; }
has() { grep -q -e "$2" "$1" || fail "no '$2' in $1"; }
hasnt() { ! grep -q -e "$2" "$1" || fail "'$2' in $1"; }
count() { [ "$(grep -c -e "$3" "$2")" = "$1" ] || fail "not $1 lines '$3' in $2"; }
same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }
await() { n=0; until [ -s "$1" ]; do n=$((n+1)); [ $n -lt 3000 ] || { code=; fail "no $1"; }; sleep 0.02; done; }
# unfold prints a line "RANK TEXT" for each rank of lines "[RANKS] TEXT".
unfold() { awk '{ set = substr($1, 2, length($1) - 2); text = substr($0, length($1) + 2); n = split(set, parts, ","); for (i = 1; i <= n; i++) { m = split(parts[i], ends, "-"); for (r = ends[1] + 0; r <= ends[m] + 0; r++) print r, text } }'; }
ended() { code=0; wait "$1" || code=$?; }
`

// TestScripts runs testdata/script/*.sh: gridrun as people use it.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".sh"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			shell(t, string(text))
		})
	}
}
