package stream

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// usual is the size of the last cache where the system does not tell.
const usual = 32 << 20

// last is the size in bytes of this machine's last cache.
var last = sync.OnceValue(func() int {
	for _, level := range []string{"index3", "index2"} {
		b, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cache/" + level + "/size")
		if n, ok := size(string(b)); ok && err == nil {
			return n
		}
	}
	return usual
})

// size understands what the system writes: 32768K, 32M.
func size(text string) (n int, ok bool) {
	text = strings.TrimSpace(text)
	shift := 0
	switch {
	case strings.HasSuffix(text, "K"):
		shift = 10
	case strings.HasSuffix(text, "M"):
		shift = 20
	}
	if shift > 0 {
		text = text[:len(text)-1]
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 || n > 1<<30>>shift {
		return 0, false
	}
	return n << shift, true
}

// least is where it is worth asking for the cache's size: none is that small.
const least = 1 << 20

// Copy copies src to dst, which is as long and shares no memory with it; written is
// how many bytes are written by everybody before the first are read again.
func Copy(dst, src []byte, written int) {
	if stores && written >= least && written >= last() {
		past(dst, src)
		return
	}
	copy(dst, src)
}
