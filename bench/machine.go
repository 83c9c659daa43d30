package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Machine is where something was measured.
type Machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Memory int64   `json:"memory_bytes"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
	Date   string  `json:"date"`
	Load   float64 `json:"load"` // average of the last minute, when the report was made
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GB, %s, %s, %s, load %.1f", m.CPU, m.Cores, float64(m.Memory)/1e9, m.Kernel, m.Go, m.Date, m.Load)
}

// ThisMachine reads what /proc says; what it does not say stays empty.
func ThisMachine() Machine {
	load, _ := strconv.ParseFloat(firstWord(read("/proc/loadavg")), 64)
	kib, _ := strconv.ParseInt(firstWord(field(read("/proc/meminfo"), "MemTotal")), 10, 64)
	return Machine{
		CPU:    field(read("/proc/cpuinfo"), "model name"),
		Cores:  runtime.NumCPU(),
		Memory: kib << 10,
		Kernel: runtime.GOOS + " " + read("/proc/sys/kernel/osrelease"),
		Go:     runtime.Version(),
		Date:   time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Load:   load,
	}
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// field is the value of the first line `name : value`.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// BusyCPUs watches for d how many CPUs are in use.
func BusyCPUs(d time.Duration) float64 {
	before := busyTicks(read("/proc/stat"))
	began := time.Now()
	time.Sleep(d)
	ticks := busyTicks(read("/proc/stat")) - before
	const perSecond = 100 // USER_HZ, the same on all architectures of Linux that Go has
	return float64(ticks) / perSecond / time.Since(began).Seconds()
}

// busyTicks adds up user, nice, system, irq, softirq and steal of the line `cpu` of
// /proc/stat; between them stand idle and iowait.
func busyTicks(stat string) (ticks int64) {
	line, _, _ := strings.Cut(stat, "\n")
	for i, word := range strings.Fields(line) {
		if i >= 1 && i <= 8 && i != 4 && i != 5 {
			n, _ := strconv.ParseInt(word, 10, 64)
			ticks += n
		}
	}
	return ticks
}
