package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
	"gridrun/launcher"
	"gridrun/launcher/check"
	"gridrun/launcher/place"
)

// hostsListFlags are the flags of `gridrun hosts list`.
type hostsListFlags struct {
	hostFlags
}

// run shows the hosts as a hostfile that a job would take.
func (f *hostsListFlags) run(context.Context, []string) (int, error) {
	hosts, err := f.hostsOrHere()
	if err != nil {
		return 0, err
	}
	return 0, listHosts(os.Stdout, hosts)
}

// hostsOrHere are the hosts that the flags name, else this machine.
func (f hostFlags) hostsOrHere() ([]place.Host, error) {
	hosts, err := f.hosts()
	if err != nil || len(hosts) > 0 {
		return hosts, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return []place.Host{{Name: name, Slots: cpuset.Whole(cpuset.Usable())}}, nil
}

// listHosts writes hosts that are alike and follow each other in one line.
func listHosts(w io.Writer, hosts []place.Host) error {
	alike := func(a, b place.Host) bool {
		a.Name, b.Name = "", ""
		return a == b
	}
	for i := 0; i < len(hosts); {
		j := i
		var names []string
		for ; j < len(hosts) && alike(hosts[i], hosts[j]); j++ {
			names = append(names, hosts[j].Name)
		}
		h := hosts[i]
		if h.Name = place.FoldHosts(names); j == i+1 {
			h.Name = names[0]
		}
		line := h.Name
		if h.User != "" {
			line = h.User + "@" + line
		}
		if h.Port > 0 { // behind a colon a hostfile has slots
			line += fmt.Sprintf(" port=%d", h.Port)
		}
		if h.Slots > 0 {
			line += fmt.Sprintf(" slots=%d", h.Slots)
		}
		if h.MaxSlots > 0 {
			line += fmt.Sprintf(" max_slots=%d", h.MaxSlots)
		}
		if h.Slots == 0 {
			line += " # as many slots as CPUs"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// hostsCheckFlags are the flags of `gridrun hosts check`.
type hostsCheckFlags struct {
	hostFlags
	Net  []string `group:"Hosts" placeholder:"CIDR" help:"Networks that hosts talk over (repeatable)."`
	Port *ports   `group:"Hosts" placeholder:"LO-HI" help:"Each host listens on one of these ports."`
	JSON bool     `name:"json" help:"Print JSON."`
}

// run asks every host, and shows which can take part in a job.
func (f *hostsCheckFlags) run(ctx context.Context, _ []string) (int, error) {
	hosts, err := f.hostsOrHere()
	if err != nil {
		return 0, err
	}
	spec := launcher.Spec{Hosts: hosts}
	starters, err := newStarters(ctx, f.hostFlags, spec.Away(), false)
	if err != nil {
		return 0, err
	}
	options := check.Options{Net: f.Net}
	if f.Port != nil {
		options.Ports = wire.PortRange(*f.Port)
	}
	report := check.Run(ctx, starters, hosts, options)
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(report)
	} else {
		report.Print(os.Stdout)
	}
	if err == nil && !report.OK() {
		return launcher.CodeRefused, nil
	}
	return 0, err
}
