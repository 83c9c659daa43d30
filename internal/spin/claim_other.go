//go:build !amd64

package spin

func claim(*uint64) {}
func fetch(*uint64) {}
