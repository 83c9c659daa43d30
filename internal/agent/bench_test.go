package agent

import (
	"testing"
	"time"

	"gridrun/internal/wire"
)

// BenchmarkStart is the life of a job of 93 processes that do nothing, C
// programs and Go programs: from Start to Ready, to the last Started, to Done.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct {
		name string
		spec wire.ProcSpec
	}{{"true", wire.ProcSpec{Path: "/bin/true"}}, {"go", wire.ProcSpec{Job: "nothing"}}} {
		b.Run(c.name, func(b *testing.B) {
			var ready, started, done, cpu time.Duration
			for range b.N {
				var procs []wire.ProcSpec
				for range 93 {
					procs = append(procs, c.spec)
				}
				begin := time.Now()
				h := startHost(b, job(procs...))
				await(h, anyOf[*wire.Ready])
				ready += time.Since(begin)
				h.until("93 processes", func(log []wire.Message) bool {
					n := 0
					for _, m := range log {
						if _, ok := m.(*wire.Started); ok {
							n++
						}
					}
					return n == 93
				})
				started += time.Since(begin)
				h.done()
				done += time.Since(begin)
				cpu += h.cmd.ProcessState.UserTime() + h.cmd.ProcessState.SystemTime() // of guard, agent and all processes
			}
			for unit, d := range map[string]time.Duration{"ms-ready": ready, "ms-started": started, "ms-done": done, "ms-cpu": cpu} {
				b.ReportMetric(d.Seconds()*1000/float64(b.N), unit)
			}
		})
	}
}
