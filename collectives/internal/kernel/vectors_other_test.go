//go:build !amd64

package kernel

func setVectors(on bool) bool { return false }
