package message

// A unit is how a test's nanoseconds an operation are shown.
type unit int

const (
	microseconds    unit = iota // less is better; all others: more
	gigabytes                   // 10^9 bytes a second, one way
	gigabytesBoth               // both ways together
	messagesOfPairs             // 10^6 messages a second, all pairs together
)

func (u unit) String() string {
	return [...]string{"us", "GB/s", "GB/s both ways", "million messages/s"}[u]
}

// show turns nanoseconds an operation of so many bytes into the unit.
func (u unit) show(ns float64, bytes, ranks int) float64 {
	switch u {
	case gigabytes:
		return float64(bytes) / ns
	case gigabytesBoth:
		return 2 * float64(bytes) / ns
	case messagesOfPairs:
		return float64(ranks/2) / ns * 1e3
	}
	return ns / 1e3
}
