package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	source "gridrun"
	"gridrun/cmd/gridrun/scaffold"
)

// newFlags are the flags of `gridrun new`.
type newFlags struct {
	Update bool `help:"Only renew the copy of gridrun in DIR."`
}

// run starts a program in a directory, or renews gridrun's packages there, and
// looks whether it can be built now.
func (f *newFlags) run(ctx context.Context, args []string) (int, error) {
	dir := args[0]
	if f.Update {
		if err := scaffold.Update(source.Source, dir); err != nil {
			return 0, fmt.Errorf("new --update: %w", err)
		}
		fmt.Printf("%s is this gridrun's now\n", filepath.Join(dir, scaffold.Sub))
	} else {
		if err := scaffold.Create(source.Source, dir); err != nil {
			return 0, fmt.Errorf("new: %w", err)
		}
		fmt.Printf("%s holds a rank program, its test, and the packages of this gridrun\n", dir)
	}
	if why := buildable(ctx, dir); why != "" {
		fmt.Println(why)
		return 0, nil
	}
	path := filepath.Clean(dir)
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "..") {
		path = "." + string(filepath.Separator) + path
	}
	fmt.Printf("    gridrun -np 4 %s\n    go test -C %s\n", path, path)
	return 0, nil
}

// buildable says what a build of dir lacks on this machine, "" for nothing.
func buildable(ctx context.Context, dir string) string {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "To build it, install Go and have it in $PATH."
	}
	cmd := exec.CommandContext(ctx, goTool, "list", "-deps", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
	var said strings.Builder
	cmd.Stderr = &said
	switch err := cmd.Run(); {
	case err == nil:
		return ""
	case strings.Contains(said.String(), "GOPROXY=off") || strings.Contains(said.String(), "module lookup disabled"):
		return "Go's module cache lacks some modules; with a network, once: go mod download -C " + dir
	}
	return fmt.Sprintf("It cannot be built yet: %s", strings.TrimSpace(said.String()))
}
