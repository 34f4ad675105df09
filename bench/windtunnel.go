package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tunnelled is what the wind tunnel is given: the six services, four of them under a HorizontalPodAutoscaler, the workers under KEDA, and
// what VPA would recommend for all.
var tunnelled = []string{
	"overlays/eks", "KEDA/caption-worker",
	"HPA/gateway-service/resource-metric/cpu", "HPA/auth-service/resource-metric/cpu", "HPA/upload-service/resource-metric/cpu",
	"HPA/caption-service/resource-metric/cpu",
	"VPA/gateway-service/just_recommend", "VPA/auth-service/just_recommend", "VPA/upload-service/just_recommend",
	"VPA/caption-service/just_recommend", "VPA/caption-worker/just_recommend",
}

// measureWindtunnel builds the wind tunnel and lets it run a day and a week of the scenario quiet-day. What is measured is the whole
// process, from its start to its JSON.
func measureWindtunnel(ctx context.Context, l *lab) ([]row, error) {
	program := filepath.Join(l.dir, "windtunnel")
	build := command(ctx, "go", "build", "-o", program, "./cmd/windtunnel")
	build.Dir = "windtunnel"
	what := "building windtunnel, with what is in the build cache"
	if !l.quick {
		what = "building windtunnel with an empty build cache"
		build.Env = append(os.Environ(), "GOCACHE="+filepath.Join(l.dir, "cache"))
	}
	began := time.Now()
	if _, err := output(build); err != nil {
		return nil, err
	}
	built := time.Since(began)
	info, err := os.Stat(program)
	if err != nil {
		return nil, fmt.Errorf("look at the program: %w", err)
	}
	day, week := 24*time.Hour, 7*24*time.Hour
	if l.quick {
		day, week = 2*time.Hour, 14*time.Hour
	}
	var dayTimes, weekTimes []time.Duration
	var most int64
	for range l.rounds() {
		took, memory, err := tunnel(ctx, program, day)
		if err != nil {
			return nil, err
		}
		dayTimes, most = append(dayTimes, took), max(most, memory)
		if took, _, err = tunnel(ctx, program, week); err != nil {
			return nil, err
		}
		weekTimes = append(weekTimes, took)
		l.logf("a day: %s, %s; a week: %s", seconds(dayTimes[len(dayTimes)-1]), megabytes(memory), seconds(took))
	}
	took, growth := median(dayTimes), median(weekTimes).Seconds()/7/median(dayTimes).Seconds()
	name := fmt.Sprintf("%s of the platform in the wind tunnel (4 HPAs, workers under KEDA, VPA)", span(day))
	return []row{
		{name, "–", "≤ 10 s", seconds(took), verdictOf(took <= 10*time.Second)},
		{name + ": memory", "–", "≤ 1 GB", megabytes(most), verdictOf(most <= 1e9)},
		{"the same for seven times as long", "seven times " + seconds(took), "linear within 20 %", fmt.Sprintf("%.2f times", growth), verdictOf(growth > 0.8 && growth < 1.2)},
		{what + "; its size", "–", "reported", seconds(built) + "; " + megabytes(info.Size()), noGoal},
	}, nil
}

// tunnel runs the platform for a time, and returns how long that took and the peak of the process's memory.
func tunnel(ctx context.Context, program string, duration time.Duration) (took time.Duration, peak int64, err error) {
	args := []string{"run", "quiet-day", "--json", "--duration", duration.String()}
	for _, folder := range tunnelled {
		args = append(args, "--manifests", filepath.Join("deploy", folder))
	}
	var stdout, stderr bytes.Buffer
	c := command(ctx, program, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	if err := c.Run(); err != nil {
		return 0, 0, fmt.Errorf("windtunnel run: %w: %s", err, tail(stderr.String()))
	}
	took = time.Since(began)
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok || stdout.Len() == 0 {
		return 0, 0, fmt.Errorf("windtunnel run told nothing: that is no measurement")
	}
	return took, usage.Maxrss << 10, nil
}
