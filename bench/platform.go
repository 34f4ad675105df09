package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"k8s-scalers/internal/testservers"
)

// platform is the deployment of six programs, as far as they were started, over real servers.
type platform struct {
	bin      string
	backends *testservers.Backends
	addrs    map[string]string
	settings map[string]string
	running  []*server
}

// six are the programs; the one at the entry comes last.
func six() []string {
	return []string{"auth-service", "upload-service", "caption-service", "caption-worker", "frontend", "gateway-service"}
}

// platform builds the programs and starts the servers that they need; the programs themselves are started by their names.
func (l *lab) platform(ctx context.Context, settings map[string]string) (p *platform, err error) {
	dir, err := os.MkdirTemp(l.dir, "platform-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	for _, d := range []string{l.dir, dir} { // PostgreSQL runs as another user.
		if err := os.Chmod(d, 0o755); err != nil {
			return nil, fmt.Errorf("open folder: %w", err)
		}
	}
	p = &platform{bin: filepath.Join(l.dir, "bin"), addrs: map[string]string{}}
	if _, err := output(exec.CommandContext(ctx, "go", "build", "-o", p.bin+"/", "k8s-scalers/cmd/...")); err != nil {
		return nil, fmt.Errorf("build the programs: %w", err)
	}
	for _, name := range six() {
		if p.addrs[name], err = testservers.FreeAddr(); err != nil {
			return nil, err
		}
	}
	if p.backends, err = testservers.StartBackends(ctx, filepath.Join(dir, "backends")); err != nil {
		return nil, err
	}
	if p.settings, err = p.backends.Settings(ctx); err != nil {
		p.backends.Stop()
		return nil, err
	}
	maps.Copy(p.settings, map[string]string{
		"AUTH_URL": "http://" + p.addrs["auth-service"], "UPLOAD_URL": "http://" + p.addrs["upload-service"],
		"CAPTION_URL": "http://" + p.addrs["caption-service"], "FRONTEND_URL": "http://" + p.addrs["frontend"],
		"DRAIN_PAUSE": "0s", "WORK_DIR": filepath.Join(dir, "work"),
		"REQUESTS_PER_MINUTE": "-1", "ANONYMOUS_REQUESTS_PER_MINUTE": "-1",
	})
	maps.Copy(p.settings, settings)
	return p, nil
}

// entry is where clients go.
func (p *platform) entry() string { return "http://" + p.addrs["gateway-service"] }

// start starts programs, one after the other, and returns how long each took to be ready.
func (p *platform) start(ctx context.Context, names ...string) (took []time.Duration, err error) {
	for _, name := range names {
		begin := time.Now()
		if err := p.startAt(ctx, name, p.addrs[name]); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// startAt starts a program, or one more of it, on an address.
func (p *platform) startAt(ctx context.Context, name, addr string) error {
	// It ends when it is asked to, also after an interrupt: in this order.
	s, err := start(ctx, command(context.WithoutCancel(ctx), filepath.Join(p.bin, name)), addr, p.settings)
	if err == nil {
		p.running = append(p.running, s)
	}
	return err
}

// stopPrograms ends the programs, the last one first.
func (p *platform) stopPrograms() error {
	var errs []error
	for _, s := range slices.Backward(p.running) {
		errs = append(errs, s.stop())
	}
	p.running = nil
	return errors.Join(errs...)
}

// stop ends everything.
func (p *platform) stop() error {
	defer p.backends.Stop()
	return p.stopPrograms()
}

// measureStarts starts each of the six programs over servers that are there, again and again.
func measureStarts(ctx context.Context, l *lab) (rows []row, err error) {
	p, err := l.platform(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	took := map[string][]time.Duration{}
	for range l.rounds() {
		for _, name := range six() {
			d, err := p.start(ctx, name)
			if err != nil {
				return nil, err
			}
			took[name] = append(took[name], d...)
		}
		if err := p.stopPrograms(); err != nil {
			return nil, err
		}
	}
	for _, name := range six() {
		d := median(took[name])
		rows = append(rows, row{"start of " + name + " to ready", "–", "≤ 1 s", fmt.Sprintf("%.2f s", d.Seconds()), verdictOf(d <= time.Second)})
	}
	return rows, nil
}
