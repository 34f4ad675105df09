package node

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

//go:embed config
var configs embed.FS

// nodeName is what the node is called.
const nodeName = "captions"

// searched is where the parts find runc, iptables and mount.
const searched = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Supervise starts the parts of the cluster, reports, and ends them when the standard input ends.
func Supervise(told string) int {
	out := os.NewFile(reportFD, "report")
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // Its end is all that matters.
		cancel(errors.New("the order to end"))
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var p plan
	err := json.Unmarshal([]byte(told), &p)
	s := &supervisor{plan: p, log: log}
	if err == nil {
		err = s.start(ctx)
	}
	defer s.close()
	r := report{}
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Kubeconfig = s.cp.Kubeconfig
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return fail(err)
	}
	if err != nil {
		return 1
	}
	<-ctx.Done()
	return 0
}

// supervisor runs what is inside.
type supervisor struct {
	plan plan
	log  *slog.Logger
	cp   *controlplane.ControlPlane
	// What configurations are made of.
	settings struct {
		Dir, CA, Socket, CNI, Cgroup, DNS string
	}
	ctr string
}

func (s *supervisor) close() {
	if s.cp != nil {
		s.cp.Close()
	}
}

func (s *supervisor) path(name string) string { return filepath.Join(s.plan.Dir, name) }

func (s *supervisor) start(ctx context.Context) error {
	if err := linkInside(ctx); err != nil {
		return err
	}
	if err := makeCgroups(); err != nil {
		return fmt.Errorf("cgroups of the node: %w", err)
	}
	dir := s.path("control-plane")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s.log.Info("Starting the control plane")
	var err error
	if s.cp, err = controlplane.Start(ctx, controlplane.Options{Dir: dir, Logger: s.log, Address: nodeIP}); err != nil {
		return err
	}
	s.log.Info("Starting the node")
	if err := s.configure(); err != nil {
		return fmt.Errorf("configurations of the node: %w", err)
	}
	if err := s.startContainerd(ctx); err != nil {
		return err
	}
	if err := s.importImages(ctx); err != nil {
		return err
	}
	if err := s.startKubelet(ctx); err != nil {
		return err
	}
	if err := s.startProxy(ctx); err != nil {
		return err
	}
	s.log.Info("Starting CoreDNS and metrics-server")
	if err := s.startAddons(ctx); err != nil {
		return err
	}
	for _, name := range s.plan.With {
		s.log.Info("Starting an autoscaler", "name", name)
		if err := Autoscalers[name].start(ctx, s.cp); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// configure writes the files in config with what belongs to this machine filled in.
func (s *supervisor) configure() error {
	s.settings.Dir, s.settings.CA = s.plan.Dir, s.cp.CA()
	s.settings.Socket, s.settings.CNI, s.settings.Cgroup, s.settings.DNS = "/run/containerd/containerd.sock", cniPlugins, cgroup, dnsIP
	if err := os.Mkdir(s.path("cni"), 0o755); err != nil {
		return err
	}
	all, err := template.ParseFS(configs, "config/*")
	if err != nil {
		return err
	}
	for file, name := range map[string]string{"containerd.toml": "containerd.toml", "kubelet.yaml": "kubelet.yaml", "cni.conflist": "cni/captions.conflist"} {
		var b strings.Builder
		if err := all.ExecuteTemplate(&b, file, s.settings); err != nil {
			return err
		}
		if err := os.WriteFile(s.path(name), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// run starts a program of the node.
func (s *supervisor) run(ctx context.Context, p programs.Program, args ...string) (*process.Process, error) {
	path, err := p.Build(ctx, s.log)
	if err != nil {
		return nil, err
	}
	return s.cp.Run(process.Spec{
		Name: p.Name, Path: path, Args: args, Dir: s.plan.Dir, Log: s.path(p.Name + ".log"),
		Env: []string{"PATH=" + s.path("bin") + ":" + searched},
	})
}

func (s *supervisor) startContainerd(ctx context.Context) error {
	shim, err := programs.ContainerdShim().Build(ctx, s.log)
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.path("bin"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(shim, s.path("bin/"+programs.ContainerdShim().Name)); err != nil {
		return err
	}
	if s.ctr, err = programs.Ctr().Build(ctx, s.log); err != nil {
		return err
	}
	path, err := programs.Containerd().Build(ctx, s.log)
	if err != nil {
		return err
	}
	spec := process.Spec{
		Name: programs.Containerd().Name, Path: path, Args: []string{"--config=" + s.path("containerd.toml")},
		Dir: s.plan.Dir, Log: s.path("containerd.log"), Env: []string{"PATH=" + s.path("bin") + ":" + searched},
	}
	p, err := process.Start(spec)
	if err != nil {
		return err
	}
	go s.keep(ctx, spec, p)
	return p.Await(ctx, func(ctx context.Context) error {
		return s.image(ctx, "ls", "-q")
	})
}

// keep starts a program again whenever it has ended, as systemd does on other nodes. Pods outlive their containerd.
func (s *supervisor) keep(ctx context.Context, spec process.Spec, p *process.Process) {
	for {
		select {
		case <-ctx.Done():
			return // The first process ends it.
		case <-p.Done():
		}
		s.log.Warn("A program has ended, and is started again", "program", spec.Name, "log", p.Tail())
		again, err := process.Start(spec)
		if err != nil {
			s.log.Error("A program does not start again", "program", spec.Name, "error", err)
			return
		}
		p = again
	}
}

// image runs a command on containerd's images.
func (s *supervisor) image(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.ctr, append([]string{"--address=" + s.settings.Socket, "--namespace=k8s.io", "images"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr images %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (s *supervisor) importImages(ctx context.Context) error {
	for _, archive := range s.plan.Images {
		if err := s.image(ctx, "import", "--local", archive); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) startKubelet(ctx context.Context) error {
	kubeconfig, err := s.cp.UserKubeconfig("system:node:"+nodeName, "system:nodes")
	if err != nil {
		return err
	}
	p, err := s.run(ctx, programs.Kubelet(), "--config="+s.path("kubelet.yaml"), "--kubeconfig="+kubeconfig, "--hostname-override="+nodeName,
		"--node-ip="+nodeIP, "--root-dir="+s.path("kubelet"), "--cert-dir="+s.path("kubelet-pki"))
	if err != nil {
		return err
	}
	return p.Await(ctx, func(ctx context.Context) error { return nodeReady(ctx, s.cp.Kube) })
}

func (s *supervisor) startProxy(ctx context.Context) error {
	kubeconfig, err := s.cp.UserKubeconfig("system:kube-proxy")
	if err != nil {
		return err
	}
	_, err = s.run(ctx, programs.KubeProxy(), "--kubeconfig="+kubeconfig, "--hostname-override="+nodeName, "--proxy-mode=iptables",
		"--cluster-cidr=10.244.0.0/24",
		// Limits of the whole machine are not ours to set, nor is there a right to in every machine.
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--oom-score-adj=0")
	return err
}

// nodeReady is an error until the node says that it takes pods.
func nodeReady(ctx context.Context, client kubernetes.Interface) error {
	return ready(ctx, client, nodeName)
}
