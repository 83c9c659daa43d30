// Package gridrun is the part of the source that rank programs are built from.
// The gridrun command carries it, so that `gridrun new` can start a program
// that fits this very build, with no network and no checkout.
package gridrun

import "embed"

// Source are the packages that rt, collectives and lram consist of, with their
// tests, under their paths in the module; beside them go.mod, go.sum and LICENSE.
//
//go:embed go.mod go.sum LICENSE
//go:embed rt collectives lram
//go:embed internal/bias internal/board internal/box internal/cost internal/cpuset internal/engine internal/hostclock internal/hostd internal/packet internal/spin internal/stream internal/trace internal/transport internal/waittable internal/wire
var Source embed.FS
