package relay

// Root is the parent of hosts that the launcher connects to itself.
const Root = -1

// Parent is the host through which host i is reached (both from 0), when the
// launcher and every host connect to at most k others; Root for the first k. A
// parent has a smaller number than its children.
func Parent(i, k int) int { return i/k - 1 }

// Depth is how many connections lie between the launcher and the last of n hosts.
func Depth(n, k int) (depth int) {
	for i := n - 1; i >= 0; i = Parent(i, k) {
		depth++
	}
	return depth
}
