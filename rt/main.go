package rt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Main runs body as this process's rank (or ranks) and exits the process: 0, or
// non-zero when body returns an error. Started without gridrun it is a world of
// one rank.
func Main(body Body) { os.Exit(mainCode(body)) }

// controlVariable names the descriptor of the control socket that the host's
// agent has left this process.
const controlVariable = "GRIDRUN_CONTROL"

func mainCode(body Body) int {
	value, ok := os.LookupEnv(controlVariable)
	if !ok {
		return alone(body)
	}
	// Neither children of this rank nor what they start are ranks.
	os.Unsetenv(controlVariable)
	code, err := launched(value, body)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s=%s does not lead to a gridrun agent (%v); unset it to run alone\n", program(), controlVariable, value, err)
	}
	return code
}

// refusal is the exit code of what gridrun itself cannot do.
const refusal = 125

func program() string { return filepath.Base(os.Args[0]) }

// alone runs body as a world of one rank.
func alone(body Body) int {
	err := Run(context.Background(), 1, func(ctx context.Context, w *World) error {
		w.args, w.stdout = os.Args[1:], os.Stdout
		return body(ctx, w)
	})
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", program(), err)
	var aborted *rankError
	if errors.As(err, &aborted) {
		return aborted.f.code
	}
	return exitCode(err)
}
