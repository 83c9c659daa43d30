package program

import (
	"debug/elf"
	"strings"
)

// MPI returns the MPI library that the program at path is linked against, and
// whose it is; "" when it is none, or no ELF program.
func MPI(path string) (library, whose string) {
	file, err := elf.Open(path)
	if err != nil {
		return "", ""
	}
	defer file.Close()
	needed, err := file.ImportedLibraries()
	if err != nil {
		return "", ""
	}
	for _, lib := range needed {
		name, _, _ := strings.Cut(lib, ".so")
		switch {
		case strings.HasPrefix(name, "libmpich"), strings.HasPrefix(name, "libmpicxx"), strings.HasPrefix(name, "libmpifort"):
			return lib, "MPICH"
		case name == "libmpi", name == "libopen-rte", strings.HasPrefix(name, "libmpi_"):
			// Intel MPI and others that keep MPICH's ABI have libmpi.so.12.
			if strings.HasSuffix(lib, ".so.12") {
				return lib, "an MPI of MPICH's kind"
			}
			return lib, "Open MPI"
		}
	}
	return "", ""
}
