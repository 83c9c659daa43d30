package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"gridrun/internal/rundir"
	"gridrun/launcher/place"
	"gridrun/launcher/registry"
)

// psFlags are the flags of `gridrun ps`.
type psFlags struct {
	JSON bool `name:"json" help:"Print JSON."`
}

const psAbout = `
Shows this user's jobs that run on this machine, with what their ranks on all
hosts have used so far: CPU time, and their share of memory. A job whose gridrun
is stopped (Ctrl-Z) does not answer; it is shown as stopped.`

func (f *psFlags) run(ctx context.Context, _ []string) (int, error) {
	dir, err := rundir.Path()
	if err != nil {
		return 0, err
	}
	jobs, err := registry.List(ctx, dir)
	if err != nil {
		return 0, err
	}
	if f.JSON {
		if jobs == nil {
			jobs = []registry.Summary{}
		}
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return 0, e.Encode(jobs)
	}
	return 0, printJobs(os.Stdout, jobs, time.Now())
}

// shownID is how much of a job's id the table shows; it grows until all differ.
const shownID = 6

// printJobs writes the table.
func printJobs(w io.Writer, jobs []registry.Summary, now time.Time) error {
	if len(jobs) == 0 {
		_, err := fmt.Fprintln(w, "no job of yours runs on this machine")
		return err
	}
	width := shownID
	for unique := false; !unique; width++ {
		seen := map[string]bool{}
		unique = true
		for _, j := range jobs {
			start := j.Job[:min(width, len(j.Job))]
			unique = unique && (!seen[start] || width >= len(j.Job))
			seen[start] = true
		}
		if unique {
			break
		}
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "JOB\tSTATE\tAGE\tRANKS\tCPU\tMEMORY\tHOSTS\tPROGRAM")
	for _, j := range jobs {
		ranks := fmt.Sprint(j.Ranks)
		if j.Ended > 0 {
			ranks = fmt.Sprintf("%d of %d", j.Running, j.Ranks)
		}
		age := "-"
		if !j.Started.IsZero() {
			age = short(now.Sub(j.Started))
		}
		used, memory := short(j.CPU), size(j.Memory)
		if j.Ranks == 0 { // it has not answered
			ranks, used, memory = "-", "-", "-"
		}
		hosts := cmp.Or(place.FoldHosts(j.Hosts), "-")
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.Job[:min(width, len(j.Job))], j.State, age, ranks, used, memory, hosts, cmp.Or(clip(j.Program, 60), "-"))
	}
	return t.Flush()
}

// short is a duration of two units at most: 0.4s, 12s, 3m20s, 5h3m, 2d7h.
func short(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// size is a number of bytes in the unit that fits.
func size(n int64) string {
	switch {
	case n < 10<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// clip shortens a text to n characters, on one line without control characters.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > n {
		return string(r[:n-3]) + "..."
	}
	return text
}

// stacksFlags are the flags of `gridrun stacks`.
type stacksFlags struct {
	All bool `short:"a" help:"Leave nothing out."`
}

const stacksAbout = `
Says why a job does not go on, as Ctrl-\ in its own terminal does: who waits for
whom in what, circles, collectives in which ranks disagree, ranks that compute
or sit in a system call, and the Go stacks of all ranks, alike ones once. The
job goes on. JOB is the start of an id that gridrun ps shows; it may be left out
when one job runs.`

func (f *stacksFlags) run(ctx context.Context, args []string) (int, error) {
	dir, err := rundir.Path()
	if err != nil {
		return 0, err
	}
	start := ""
	if len(args) > 0 {
		start = args[0]
	}
	id, err := registry.Find(dir, start)
	if err != nil {
		return 0, err
	}
	text, err := registry.Stacks(ctx, dir, id, f.All)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Print(text)
	return 0, err
}

// jobIDs completes the argument of stacks.
func jobIDs() []string {
	dir, err := rundir.Path()
	if err != nil {
		return nil
	}
	ids, err := registry.Jobs(dir)
	if err != nil {
		return nil
	}
	return ids
}
