package launcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gridrun/launcher/agents"
	"gridrun/launcher/ship"
)

// A Stager is an Agent on a host that does not see this machine's files.
type Stager interface {
	// StageDir is where Stage puts the inputs of a job.
	StageDir(job string) string
	// Stage brings inputs there.
	Stage(ctx context.Context, job string, files []ship.File) (dir string, paths []string, err error)
	// Unstage removes them.
	Unstage(ctx context.Context, job string) error
}

// unstage removes inputs from the host of an agent that has ended early: it may
// have removed them while they were still coming.
func (j *Job) unstage(agent agents.Agent, try int) {
	s, remote := agent.(Stager)
	if !remote || len(j.inputs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), unstageLimit)
	defer cancel()
	s.Unstage(ctx, j.stageName(try)) // fails where the connection is lost, and where the agent was in time
}

// unstageLimit bounds what a host that hardly answers costs at the end.
const unstageLimit = 2 * time.Second

// inputs are the files of --stage, read once.
func inputs(paths []string) ([]ship.File, error) {
	var files []ship.File
	at := map[string]string{}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("--stage %s: %w", path, err)
		}
		f, err := ship.ReadFile(abs, filepath.Base(abs))
		if err != nil {
			return nil, fmt.Errorf("--stage: %w", err)
		}
		if other, ok := at[f.Name]; ok {
			return nil, fmt.Errorf("--stage: %s and %s would both be %s on the hosts", other, path, f.Name)
		}
		at[f.Name] = path
		files = append(files, f)
	}
	return files, nil
}

// stageName is what the directory of the inputs is called. An agent of an earlier
// try to start the host may still be removing its own.
func (j *Job) stageName(try int) string {
	if try <= 1 {
		return j.id
	}
	return fmt.Sprintf("%s-%d", j.id, try)
}

// stageDir is where the agent's host has the job's inputs; "" without any.
func (j *Job) stageDir(agent agents.Agent, try int) string {
	if len(j.inputs) == 0 {
		return ""
	}
	if s, ok := agent.(Stager); ok {
		return s.StageDir(j.stageName(try))
	}
	return filepath.Join(os.TempDir(), "gridrun-stage-"+j.stageName(try))
}

// stage brings the inputs to the agent's host. The agent knows the directory
// already and removes it. This machine gets links instead of copies.
func (j *Job) stage(ctx context.Context, agent agents.Agent, try int, dir string) error {
	if dir == "" {
		return nil
	}
	if s, ok := agent.(Stager); ok {
		_, _, err := s.Stage(ctx, j.stageName(try), j.inputs)
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	for _, f := range j.inputs {
		if err := os.Symlink(f.Path, filepath.Join(dir, f.Name)); err != nil {
			return fmt.Errorf("staging: %w", err)
		}
	}
	return nil
}

// stagePlaceholder in a program's arguments stands for the directory of the
// inputs, which differs from host to host. GRIDRUN_STAGE has it too.
const stagePlaceholder = "{stage}"

// staged puts the directory into a program's arguments and environment.
func staged(dir string, args, env []string) (argsThere, envThere []string) {
	if dir == "" {
		return args, env
	}
	for _, a := range args {
		argsThere = append(argsThere, strings.ReplaceAll(a, stagePlaceholder, dir))
	}
	return argsThere, append(env, "GRIDRUN_STAGE="+dir)
}
