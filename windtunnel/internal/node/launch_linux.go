package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"k8s-scalers/windtunnel/internal/programs"
)

// Options are what callers may choose.
type Options struct {
	Logger *slog.Logger
	// Images are archives that buildah or docker has written; the node has no way to a registry.
	Images []string
	// With are the autoscalers that run beside the control plane: some of the keys of [Autoscalers].
	With []string
}

// plan is what the processes inside are told.
type plan struct {
	Dir    string
	Images []string
	With   []string
}

// Cluster is one that runs.
type Cluster struct {
	Kubeconfig string // the path of an administrator's
	Address    string // of the node; the ports of its services are reached there, from this machine alone

	dir   string
	lock  *flock.Flock
	cmd   *exec.Cmd
	alive io.Closer // as long as it is open, the cluster stays
	ended chan struct{}
	stop  sync.Once
}

// report is what the inside tells the front, once.
type report struct {
	Kubeconfig string
	Error      string
}

// Home is the folder in which everything of this project is kept that can be had again.
func Home() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "k8s-scalers")
	return home, os.MkdirAll(home, 0o755)
}

// Launch starts a cluster and returns when its node and its addons are ready.
func Launch(ctx context.Context, opts Options) (_ *Cluster, err error) {
	if err := Check(ctx); err != nil {
		return nil, err
	}
	home, err := Home()
	if err != nil {
		return nil, fmt.Errorf("a place for the cluster: %w", err)
	}
	c := &Cluster{Address: nodeIP, dir: filepath.Join(home, "cluster"), lock: flock.New(filepath.Join(home, "cluster.lock")), ended: make(chan struct{})}
	switch free, err := c.lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock of the cluster: %w", err)
	case !free:
		return nil, errors.New("another cluster runs on this machine already; there is room for one")
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	// What one that was killed has left.
	if err := clean(c.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	// There is no way to module proxies inside.
	for _, p := range parts(opts.With) {
		if _, err := p.Build(ctx, opts.Logger); err != nil {
			return nil, err
		}
	}
	told, err := json.Marshal(plan{Dir: c.dir, Images: opts.Images, With: opts.With})
	if err != nil {
		return nil, err
	}
	answer, err := c.start(string(told))
	if err != nil {
		return nil, err
	}
	if err := linkOutside(c.cmd.Process.Pid); err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.Error != "" {
			return nil, errors.New(r.Error)
		}
		c.Kubeconfig = r.Kubeconfig
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// parts are the programs that run inside.
func parts(with []string) []programs.Program {
	all := []programs.Program{
		programs.Components(), programs.Containerd(), programs.ContainerdShim(), programs.Ctr(), programs.Kubelet(), programs.KubeProxy(),
	}
	for _, name := range with {
		all = append(all, Autoscalers[name].programs...)
	}
	return all
}

// start starts the first process inside, and returns where its report will come.
func (c *Cluster) start(told string) (<-chan report, error) {
	in, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // The child has its own.
	c.alive = alive
	reports, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	// Not bound to a context: the cluster is ended by [Cluster.Stop].
	c.cmd = exec.CommandContext(context.Background(), "/proc/self/exe", InitCommand, told)
	c.cmd.Stdin, c.cmd.Stderr, c.cmd.ExtraFiles = in, os.Stderr, []*os.File{out}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: namespaces,
		// Ctrl-C is for the front, which then ends the cluster in good order.
		Setpgid: true,
	}
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		return nil, fmt.Errorf("start the cluster's first process: %w", err)
	}
	go func() {
		_ = c.cmd.Wait() // How it ended has been reported, if anybody waits for that.
		close(c.ended)
	}()
	answer := make(chan report, 1)
	go func() {
		defer func() { _ = reports.Close() }() // It was only read.
		var r report
		if err := json.NewDecoder(reports).Decode(&r); err != nil {
			r.Error = fmt.Sprintf("the cluster has ended before it was ready; its logs were in %s", c.dir)
		}
		answer <- r
	}()
	return answer, nil
}

// Done is closed when the cluster has ended.
func (c *Cluster) Done() <-chan struct{} { return c.ended }

// Stop ends the cluster and removes all of it. It may be called more than once.
func (c *Cluster) Stop() {
	c.stop.Do(func() {
		if c.cmd != nil {
			_ = c.alive.Close() // That is what the inside ends at.
			select {
			case <-c.ended:
			case <-time.After(time.Minute):
				_ = c.cmd.Process.Kill() // With the first process the kernel ends all.
				<-c.ended
			}
		}
		if err := clean(c.dir); err != nil {
			slog.Error("The cluster has ended, and something of it is left", "error", err)
		}
		_ = c.lock.Close() // It ends with the process at the latest.
	})
}
