package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tunnelled is what the wind tunnel is given: the six services, four of them under a HorizontalPodAutoscaler, the workers under KEDA,
// what VPA would recommend for all, and nodes of Karpenter.
var tunnelled = []string{
	"overlays/eks", "KEDA/caption-worker", "Karpenter",
	"HPA/gateway-service/resource-metric/cpu", "HPA/auth-service/resource-metric/cpu", "HPA/upload-service/resource-metric/cpu",
	"HPA/caption-service/resource-metric/cpu",
	"VPA/gateway-service/just_recommend", "VPA/auth-service/just_recommend", "VPA/upload-service/just_recommend",
	"VPA/caption-service/just_recommend", "VPA/caption-worker/just_recommend",
}

// measureWindtunnel builds the wind tunnel and lets it run a day and a week of the scenario quiet-day, and a day of a large cluster. What
// is measured is the whole process, from its start to its JSON.
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
	days, growths, most, err := measureWeeks(ctx, l, program, day, week)
	if err != nil {
		return nil, err
	}
	large, err := writeLargeCluster(l.dir)
	if err != nil {
		return nil, err
	}
	largeTook, largeMost, err := tunnel(ctx, program, day, large)
	if err != nil {
		return nil, err
	}
	l.logf("a large cluster: %s, %s", seconds(largeTook), megabytes(largeMost))
	took, growth := median(days), median(growths)
	name := fmt.Sprintf("%s of the platform in the wind tunnel (4 HPAs, workers under KEDA, VPA, Karpenter)", span(day))
	return []row{
		{name, "–", "≤ 10 s", seconds(took), verdictOf(took <= 10*time.Second)},
		{name + ": memory", "–", "≤ 1 GB", megabytes(most), verdictOf(most <= 1e9)},
		{"the same for seven times as long", "seven runs with seeds of their own", "linear within 20 %", fmt.Sprintf("%.2f times", growth), verdictOf(growth > 0.8 && growth < 1.2)},
		{span(day) + " of 300 nodes and up to 3,000 pods in the wind tunnel", "–", "≤ 10 min", seconds(largeTook), verdictOf(largeTook <= 10*time.Minute)},
		{span(day) + " of 300 nodes and up to 3,000 pods in the wind tunnel: memory", "–", "≤ 8 GB", megabytes(largeMost), verdictOf(largeMost <= 8e9)},
		{what + "; its size", "–", "reported", seconds(built) + "; " + megabytes(info.Size()), noGoal},
	}, nil
}

// measureWeeks lets the wind tunnel run seven days and a week by turns, and returns how long each day took, and each week as a multiple of its seven
// days. No two days of a week are alike, so the seven have seeds of their own. The week is in their middle, because the machine does not
// stay as fast as it is.
func measureWeeks(ctx context.Context, l *lab, program string, day, week time.Duration) (days []time.Duration, growths []float64, most int64, err error) {
	for range l.rounds() {
		var weekTook, seven time.Duration
		for seed := 1; seed <= 7; seed++ {
			took, memory, err := tunnel(ctx, program, day, "quiet-day", append(tunnelledFolders(), "--seed", strconv.Itoa(seed))...)
			if err != nil {
				return nil, nil, 0, err
			}
			days, seven, most = append(days, took), seven+took, max(most, memory)
			l.logf("a day: %s, %s", seconds(took), megabytes(memory))
			if seed == 4 {
				if weekTook, _, err = tunnel(ctx, program, week, "quiet-day", tunnelledFolders()...); err != nil {
					return nil, nil, 0, err
				}
			}
		}
		growths = append(growths, weekTook.Seconds()/seven.Seconds())
		l.logf("a week: %s, seven days: %s", seconds(weekTook), seconds(seven))
	}
	return days, growths, most, nil
}

// tunnelledFolders names the manifests of the platform.
func tunnelledFolders() []string {
	var args []string
	for _, folder := range tunnelled {
		args = append(args, "--manifests", filepath.Join("deploy", folder))
	}
	return args
}

// writeLargeCluster writes a scenario of 20 services on 300 nodes, which follow their load from half of its peak to 3,000 pods together.
func writeLargeCluster(dir string) (scenario string, err error) {
	var objects, workloads strings.Builder
	for i := range 20 {
		fmt.Fprintf(&objects, largeService, i)
		fmt.Fprintf(&workloads, largeWorkload, i)
	}
	manifests := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(manifests, []byte(objects.String()), 0o600); err != nil {
		return "", fmt.Errorf("write the large cluster: %w", err)
	}
	scenario = filepath.Join(dir, "large-cluster.yaml")
	text := "title: A large cluster\nmanifests: [large.yaml]\ncluster: {nodes: [{type: m7i.2xlarge, count: 300}]}\nworkloads:\n" + workloads.String()
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the large cluster: %w", err)
	}
	return scenario, nil
}

const largeService = `apiVersion: apps/v1
kind: Deployment
metadata: {name: service-%[1]d, namespace: shop}
spec:
  selector: {matchLabels: {app: service-%[1]d}}
  template:
    metadata: {labels: {app: service-%[1]d}}
    spec:
      containers:
        - name: service
          image: registry.example.com/shop/service:1
          readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 5}
          resources: {requests: {cpu: 500m, memory: 256Mi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: service-%[1]d, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: service-%[1]d}
  minReplicas: 50
  maxReplicas: 150
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
---
`

const largeWorkload = `  - deployment: shop/service-%d
    requests: {load: {shape: diurnal, low: 26, high: 53}, service: {mean: 1s}, cpu: 1}
`

// tunnel runs a scenario for a time, and returns how long that took and the peak of the process's memory.
func tunnel(ctx context.Context, program string, duration time.Duration, scenario string, more ...string) (took time.Duration, peak int64, err error) {
	args := append([]string{"run", scenario, "--json", "--duration", duration.String()}, more...)
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
