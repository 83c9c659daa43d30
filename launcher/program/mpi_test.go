package program

import (
	"os/exec"
	"testing"

	"gridrun/internal/needs"
)

func TestMPI(t *testing.T) {
	dir := t.TempDir()
	source := write(t, dir+"/hello.c", "int MPI_Init(int *, char ***);\nint main(int argc, char **argv) { return MPI_Init(&argc, &argv); }\n", 0o644)
	for _, c := range []struct{ compiler, pkg, whose string }{
		{"mpicc.mpich", "libmpich-dev", "MPICH"},
		{"mpicc.openmpi", "libopenmpi-dev", "Open MPI"},
		{"gcc", "gcc", ""},
	} {
		t.Run(c.compiler, func(t *testing.T) {
			compiler := needs.Command(t, c.compiler, c.pkg)
			out := dir + "/" + c.compiler + ".out"
			if c.whose == "" {
				source = write(t, dir+"/plain.c", "int main() { return 0; }\n", 0o644)
			}
			if said, err := exec.Command(compiler, "-o", out, source).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if lib, whose := MPI(out); whose != c.whose || (lib == "") != (whose == "") {
				t.Errorf("%q of %q, want %q", lib, whose, c.whose)
			}
		})
	}
	for _, path := range []string{source, dir, dir + "/nosuch", ""} {
		if lib, _ := MPI(path); lib != "" {
			t.Errorf("%s: %s", path, lib)
		}
	}
}
