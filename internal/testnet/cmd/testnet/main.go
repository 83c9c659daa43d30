//go:build linux

// Command testnet makes a net of hosts, runs a command on its front, and
// removes the net:
//
//	go run ./internal/testnet/cmd/testnet -hosts 16 -- ssh node3 hostname
//
// The command finds the net in its environment: TESTNET_HOSTFILE,
// TESTNET_HOSTS (names with commas between), TESTNET_KNOWN_HOSTS,
// TESTNET_IDENTITY and GRIDRUN_SSH_CONFIG. Its exit code is the exit code.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gridrun/internal/testnet"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run() (code int, err error) {
	var cfg testnet.Config
	flag.IntVar(&cfg.Hosts, "hosts", 4, "number of hosts besides the front")
	flag.BoolVar(&cfg.IPv6, "6", false, "IPv6 addresses as well")
	flag.BoolVar(&cfg.Mutual, "mutual", false, "every host may log in to every other")
	flag.StringVar(&cfg.ExtraBridge, "extra-bridge", "", "address `CIDR` that every host has on its docker0")
	slots := flag.Int("slots", 1, "slots of each host in the hostfile")
	delay := flag.Duration("delay", 0, "delay of each host's link, one way")
	loss := flag.Float64("loss", 0, "share of frames that each host's link loses, each way: 0.001 is 0.1 %")
	rate := flag.Int64("rate", 0, "rate of each host's link, bits a second; 0: unlimited")
	verbose := flag.Bool("v", false, "say how long the net took to make and to remove")
	flag.Parse()
	if flag.NArg() == 0 {
		return 2, errors.New("testnet: name a command, like: testnet -hosts 4 -- sh")
	}
	began := time.Now()
	say := func(what string) {
		if *verbose {
			fmt.Fprintf(os.Stderr, "testnet: %d hosts %s in %v\n", cfg.Hosts, what, time.Since(began).Round(time.Millisecond))
		}
	}
	n, err := testnet.Open(cfg)
	if err != nil {
		return 1, err
	}
	defer func() {
		began = time.Now()
		if closeErr := n.Close(); closeErr != nil && err == nil {
			code, err = 1, closeErr
		}
		say("removed")
	}()
	if err := impair(n, *delay, *loss, *rate); err != nil {
		return 1, err
	}
	hostfile, err := n.Hostfile(*slots)
	if err != nil {
		return 1, err
	}
	say("made")
	var names []string
	for i := range n.Len() {
		names = append(names, n.Host(i).Name)
	}
	cmd := n.FrontCommand(flag.Args()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(cmd.Env,
		"TESTNET_HOSTFILE="+hostfile,
		"TESTNET_HOSTS="+strings.Join(names, ","),
		"TESTNET_KNOWN_HOSTS="+n.KnownHosts(),
		"TESTNET_IDENTITY="+n.Identity(),
		"GRIDRUN_SSH_CONFIG="+n.SSHConfig())
	return runCommand(cmd)
}

func impair(n *testnet.Net, delay time.Duration, loss float64, rate int64) error {
	for i := range n.Len() {
		if delay > 0 {
			if err := n.Delay(i, delay); err != nil {
				return err
			}
		}
		if loss > 0 {
			if err := n.Lose(i, loss); err != nil {
				return err
			}
		}
		if rate > 0 {
			if err := n.Shape(i, rate); err != nil {
				return err
			}
		}
	}
	return nil
}

// runCommand runs cmd and returns its exit code. Signals from a terminal reach
// it by themselves, as it is in our process group; we only outlive them.
func runCommand(cmd *exec.Cmd) (int, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				cmd.Process.Signal(s)
			}
		case err := <-done:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
					return 128 + int(status.Signal()), nil
				}
				return exit.ExitCode(), nil
			}
			return 0, err
		}
	}
}
