package agent

import (
	"fmt"
	"os"

	"gridrun/internal/wire"
)

// settle gives processes whose working directory this host lacks its home
// instead, and tells the user once for each such directory.
func (a *agent) settle() {
	told := map[string]bool{}
	for i := range a.start.Procs {
		spec := &a.start.Procs[i]
		if spec.Dir == "" {
			continue
		}
		if st, err := os.Stat(spec.Dir); err == nil && st.IsDir() {
			continue
		}
		missing := spec.Dir
		spec.Dir = home()
		if !told[missing] {
			told[missing] = true
			a.link.send(&wire.Notice{Here: true, Text: fmt.Sprintf("no directory %s; ranks there start in %s", missing, spec.Dir)})
		}
	}
}

// home is the user's home, or the root where that is missing too.
func home() string {
	if dir, err := os.UserHomeDir(); err == nil {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return dir
		}
	}
	return "/"
}
