package ssh

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"gridrun/launcher/place"
)

// BenchmarkStart is the time from nothing to the agent's first word, on hosts
// that have its binary, all on one sshd with this machine's CPUs.
func BenchmarkStart(b *testing.B) {
	for i, command := range []string{"", "ssh"} {
		for _, n := range []int{1, 16, 93} {
			b.Run(fmt.Sprintf("way=%s/hosts=%d", []string{"native", "openssh"}[i], n), func(b *testing.B) {
				s := newSSHD(b, "127.0.1.20", "MaxStartups 100")
				starter := s.starter(b, func(o *Options) { o.Command = command })
				use(b, starter, s)
				for b.Loop() {
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
					for _, a := range agents {
						if a != nil {
							a.Kill()
							io.Copy(io.Discard, a)
							a.Wait()
						}
					}
					b.StartTimer()
				}
			})
		}
	}
}
