package ssh

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/launcher/place"
)

// BenchmarkStart is the time from nothing to the agent's first word, on hosts
// that have its binary, all on one sshd with this machine's CPUs. cpu-ms/host,
// which comes from rusage, is what the client itself computes; KiB/host,
// goroutines/host and fds/host are what it holds while all agents run.
func BenchmarkStart(b *testing.B) {
	for i, command := range []string{"", "ssh"} {
		for _, n := range []int{1, 16, 93} {
			b.Run(fmt.Sprintf("way=%s/hosts=%d", []string{"native", "openssh"}[i], n), func(b *testing.B) {
				s := newSSHD(b, "127.0.1.20", "MaxStartups 100")
				starter := s.starter(b, func(o *Options) { o.Command = command })
				use(b, starter, s)
				var cpu time.Duration
				var held footprint
				for b.Loop() {
					before, cpuBefore := footprintNow(), clientCPU()
					agents := make([]*Agent, n)
					var all sync.WaitGroup
					for i := range n {
						all.Go(func() {
							a, err := starter.Start(context.Background(), place.Host{Name: s.ip})
							if err != nil {
								b.Error(err)
								return
							}
							one := make([]byte, 1)
							io.ReadFull(a, one)
							agents[i] = a.(*Agent)
						})
					}
					all.Wait()
					b.StopTimer()
					cpu += clientCPU() - cpuBefore
					held = footprintNow().less(before)
					for _, a := range agents {
						if a != nil {
							a.Kill()
							io.Copy(io.Discard, a)
							a.Wait()
						}
					}
					b.StartTimer()
				}
				b.ReportMetric(cpu.Seconds()*1e3/float64(b.N*n), "cpu-ms/host")
				b.ReportMetric(float64(held.bytes)/float64(n<<10), "KiB/host")
				b.ReportMetric(float64(held.goroutines)/float64(n), "goroutines/host")
				b.ReportMetric(float64(held.files)/float64(n), "fds/host")
			})
		}
	}
}

// clientCPU is what this process has computed; OpenSSH's clients count when
// they have ended.
func clientCPU() (sum time.Duration) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A footprint is what a process holds.
type footprint struct {
	bytes             int64
	goroutines, files int
}

func footprintNow() footprint {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	return footprint{int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine(), len(files)}
}

func (f footprint) less(g footprint) footprint {
	return footprint{f.bytes - g.bytes, f.goroutines - g.goroutines, f.files - g.files}
}
