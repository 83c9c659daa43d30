// Command gridrun starts parallel jobs: `gridrun -np 4 prog args...`. See
// `gridrun --help`; docs/arch.md follows one launch step by step.
//
// The same binary is everything a job consists of. Its first word says which
// part this process plays; anything that starts with two underscores is
// gridrun's own business:
//
//	gridrun __guard            what the launcher starts on a host (internal/agent)
//	gridrun __agent            the supervisor of the host's ranks, started by the guard
//	gridrun __hostd            the host service, started by the agent when first needed
//	gridrun __keeper           what gridrun up leaves (launcher/keeper)
//	gridrun __relay MS         on a host that others are reached through (launcher/relay)
//	gridrun __complete WORDS   what completion scripts ask
//	gridrun __fleet PATH       agents that are played, for gridrun bench scale
//	gridrun __job NAME args... a rank of a built-in job
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gridrun/bench/scale"
	"gridrun/internal/agent"
	"gridrun/internal/agent/guard"
	"gridrun/internal/hostd"
	"gridrun/jobs"
	"gridrun/launcher"
	"gridrun/launcher/relay"
	"gridrun/launcher/ssh"
	"gridrun/lram"
	"gridrun/rt"
)

// main starts ranks and services before anything of the command line is set up:
// they must be small and quick.
func main() {
	args := os.Args[1:]
	if len(args) == 0 || args[0] != "__job" {
		if err := checkLimits(); err != nil {
			fmt.Fprintln(os.Stderr, "gridrun:", err)
			os.Exit(launcher.CodeRefused)
		}
	}
	if len(args) > 0 {
		switch args[0] {
		case "__guard":
			os.Exit(guard.Main())
		case "__agent":
			os.Exit(agent.Main())
		case "__hostd":
			os.Exit(hostd.Main(map[string]hostd.Handler{"lram": lram.Handler(jobs.Stores())}))
		case "__keeper":
			os.Exit(runKeeper(args[1:]))
		case "__relay":
			os.Exit(runRelay(args[1:]))
		case scale.FleetVerb:
			if err := scale.Fleet(strings.Join(args[1:], " "), os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, "gridrun:", err)
				os.Exit(launcher.CodeRefused)
			}
			os.Exit(0)
		case "__job":
			os.Exit(runJob(args[1:]))
		}
	}
	os.Exit(gridrun(args))
}

// runRelay connects to other hosts for the launcher, on standard input and output.
func runRelay(args []string) int {
	patience := relay.Patience
	if len(args) > 0 {
		if ms, err := strconv.ParseUint(args[0], 10, 31); err == nil && ms > 0 {
			patience = time.Duration(ms) * time.Millisecond
		}
	}
	if err := ssh.Relay(ssh.StandardStreams(), patience); err != nil {
		fmt.Fprintln(os.Stderr, "gridrun: relay:", err)
		return launcher.CodeRefused
	}
	return 0
}

// runJob is a rank of a built-in job; rt.Main does not return.
func runJob(args []string) int {
	if len(args) > 0 {
		if body := findJob(args[0]); body != nil {
			os.Args = append(os.Args[:1:1], args[1:]...) // the job's, as rt may look there
			rt.Main(body)
		}
	}
	fmt.Fprintf(os.Stderr, "gridrun: no built-in job %q in this build\n", args)
	return launcher.CodeRefused
}
