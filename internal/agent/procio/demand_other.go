//go:build !amd64

package procio

// oldCall knows the calls that only older architectures have.
func oldCall(uint64) kindOfCall { return callOther }
