package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// layers are the rooms from the ground up: a package imports only packages of
// lower layers, or of its own room. The longest prefix decides.
var layers = []struct {
	prefix string
	layer  int
}{
	{".", 0}, // the source that gridrun carries
	{"internal/wire", 0},
	{"internal/hostclock", 0},
	{"internal/waittable", 1},
	{"internal/trace", 1},
	{"internal/engine/match", 0},
	{"internal/box", 0},
	{"internal/engine/agree", 0},
	{"internal/needs", 0},
	{"internal/spin", 0},
	{"internal/stream", 0},
	{"internal/bias", 1},
	{"internal/rundir", 0},
	{"internal/cpuset", 0},
	{"internal/proclook", 0},
	{"internal/lint", 0},
	{"internal/board", 1}, // on stream
	{"internal/cost", 0},
	{"internal/packet", 2},
	{"internal/transport", 2},
	{"internal/engine", 3},
	{"internal/hostd", 3},
	{"rt", 4},
	{"collectives", 5},
	{"rt/dsm", 6},
	{"rt/checkpoint", 6},
	{"lram", 7},
	{"render", 8},
	{"jobs", 9},
	{"internal/agent", 4}, // supervises ranks; knows no job and no cache
	{"launcher", 4},       // starts jobs; knows none
	{"internal/testnet", 4},
	{"bench", 10},
	{"examples", 10},
	{"cmd", 11},
}

// apart are rooms that must not meet even where layers would allow it.
var apart = map[string][]string{
	"launcher": {"rt", "collectives", "lram", "jobs", "render"},
	// From the way to a host to the connection; launcher/ssh is above all of them.
	"launcher/ssh/sshconf": {"launcher/ssh/sshkeys", "launcher/ssh/sshconn", "launcher/ssh/script"},
	"launcher/ssh/sshkeys": {"launcher/ssh/sshconn", "launcher/ssh/script"},
	"launcher/ssh/sshconn": {"launcher/ssh/script"},
	"internal/agent":       {"rt", "collectives", "lram", "jobs", "render", "launcher"},
	"internal/hostd":       {"rt", "collectives", "lram", "jobs", "render"},
}

func inRoom(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

func layerOf(t *testing.T, pkg string) (layer int, room string) {
	layer = -1
	for _, l := range layers {
		if inRoom(pkg, l.prefix) && len(l.prefix) > len(room) {
			layer, room = l.layer, l.prefix
		}
	}
	if layer < 0 {
		t.Errorf("package %s stands in no room: add it to layers in internal/lint", pkg)
	}
	return layer, room
}

// A source is one Go file of the module.
type source struct {
	path, pkg string
	text      string
	file      *ast.File
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var out []source
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, b, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(rel), path.Dir(filepath.ToSlash(rel)), string(b), f, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d Go files found under %s", len(out), root)
	}
	return out
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		from, room := layerOf(t, s.pkg)
		for _, im := range s.file.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			pkg, ok := strings.CutPrefix(name, "gridrun/")
			if !ok {
				continue
			}
			to, toRoom := layerOf(t, pkg)
			if to > from || to == from && toRoom != room {
				t.Errorf("%s imports %s: imports point down only (%s is above, or beside, %s)", s.path, pkg, toRoom, room)
			}
			for _, other := range apart[room] {
				if inRoom(pkg, other) {
					t.Errorf("%s imports %s: %s must not know %s; wire it in cmd", s.path, pkg, room, other)
				}
			}
		}
	}
}

// A rank program that `gridrun new` makes is built from what the command carries.
func TestWhatRanksImportIsCarried(t *testing.T) {
	text, err := os.ReadFile("../../source.go")
	if err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for _, line := range regexp.MustCompile(`(?m)^//go:embed (.*)$`).FindAllStringSubmatch(string(text), -1) {
		rooms = append(rooms, strings.Fields(line[1])...)
	}
	carried := func(pkg string) bool {
		return slices.ContainsFunc(rooms, func(room string) bool { return inRoom(pkg, room) })
	}
	for _, s := range sources(t) {
		if !carried(s.pkg) || strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		for _, im := range s.file.Imports {
			name, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if pkg, ours := strings.CutPrefix(name, "gridrun/"); ours && !carried(pkg) {
				t.Errorf("%s imports %s, which source.go does not carry: programs of `gridrun new` cannot be built", s.path, pkg)
			}
		}
	}
}

func TestEveryPackageTellsItsStoryOnce(t *testing.T) {
	docs := map[string][]string{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		if _, ok := docs[s.pkg]; !ok {
			docs[s.pkg] = nil
		}
		if s.file.Doc == nil {
			continue
		}
		docs[s.pkg] = append(docs[s.pkg], s.path)
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name != "main" && !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package's doc must begin with %q", s.path, want)
		}
	}
	for pkg, where := range docs {
		if len(where) != 1 {
			t.Errorf("package %s has %d package comments %v: one is needed, in doc.go or the only file", pkg, len(where), where)
		}
	}
}

// maxLines is where a file surely holds more than one idea; about 300 is the aim.
const maxLines = 500

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); n > maxLines {
			t.Errorf("%s has %d lines: split it by idea (at most %d)", s.path, n, maxLines)
		}
	}
}

// unwanted are words and calls with what to write instead.
var unwanted = []struct {
	pattern *regexp.Regexp
	tests   bool // also in tests
	instead string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), true, "finish it, or say in docs what is missing"},
	{regexp.MustCompile(`\blog\.(Fatal|Panic)`), true, "return an error"},
	{regexp.MustCompile(`\btime\.Sleep\(\d+ ?\* ?time\.(Second|Minute)`), true, "wait for what you need: a channel, a state, a poll with a deadline"},
	{regexp.MustCompile(`\bt\.Skip`), true, "use internal/needs: CI turns a missing part into a failure"},
}

func TestNothingUnwanted(t *testing.T) {
	for _, s := range sources(t) {
		if inRoom(s.pkg, "internal/lint") || inRoom(s.pkg, "internal/needs") {
			continue
		}
		for _, u := range unwanted {
			if strings.HasSuffix(s.path, "_test.go") && !u.tests {
				continue
			}
			if m := u.pattern.FindStringIndex(s.text); m != nil {
				t.Errorf("%s:%d: %q: %s", s.path, 1+strings.Count(s.text[:m[0]], "\n"), s.text[m[0]:m[1]], u.instead)
			}
		}
	}
}

// Links like [Name] in doc comments of doc.go files must lead somewhere.
func TestDocLinksResolve(t *testing.T) {
	names := map[string]map[string]bool{} // package -> exported names
	all := sources(t)
	for _, s := range all {
		if names[s.pkg] == nil {
			names[s.pkg] = map[string]bool{}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[s.pkg][n.Name.Name] = true
			case *ast.TypeSpec:
				names[s.pkg][n.Name.Name] = true
			case *ast.ValueSpec:
				for _, id := range n.Names {
					names[s.pkg][id.Name] = true
				}
			case *ast.Field:
				for _, id := range n.Names {
					names[s.pkg][id.Name] = true
				}
			}
			return true
		})
	}
	link := regexp.MustCompile(`\[\*?([A-Z]\w*)(?:\.([A-Z]\w*))?\]`)
	var bad []string
	for _, s := range all {
		if s.file.Doc == nil || strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(s.file.Doc.Text(), -1) {
			if !names[s.pkg][m[1]] || m[2] != "" && !names[s.pkg][m[2]] {
				bad = append(bad, s.path+": "+m[0])
			}
		}
	}
	sort.Strings(bad)
	for _, b := range bad {
		t.Errorf("%s leads nowhere", b)
	}
}
