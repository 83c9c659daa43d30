//go:build !linux

package hostd

import (
	"fmt"
	"os"
)

// Main needs Linux.
func Main(map[string]Handler) int {
	fmt.Fprintln(os.Stderr, "gridrun: the host service needs Linux")
	return 1
}
