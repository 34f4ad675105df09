package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

// Options are what callers may choose.
type Options struct {
	// Dir is the folder for all files; it must exist and be empty. Its keys open the control plane to who can read them.
	Dir string
	// Logger tells of builds, and of parts that end before their time.
	Logger *slog.Logger
	// Address is where the API server listens and what it advertises as the endpoint of the service kubernetes. Empty is
	// the loopback address, and no endpoint: enough for everything but pods that run on real nodes.
	Address string
	// Flags are further flags of the parts, by their names as programs: those of the issue at hand, such as the sync
	// period of the HPA controller.
	Flags map[string][]string
}

// The parts, by the names of their programs.
const (
	etcd       = "etcd"
	APIServer  = "kube-apiserver"
	Controller = "kube-controller-manager"
	Scheduler  = "kube-scheduler"
)

// ControlPlane is one that runs.
type ControlPlane struct {
	*Clients
	Dir        string
	Kubeconfig string // the path of an administrator's

	log      *slog.Logger
	pki      *pki
	closing  chan struct{}
	watchers sync.WaitGroup
	parts    []*process.Process // in the order of their start
	close    sync.Once
}

// startTimeout is how long a part may take to be ready; the slowest takes 2 s on a machine that does nothing else.
const startTimeout = 10 * time.Minute

// Start runs a control plane, and returns when it accepts pods.
func Start(ctx context.Context, opts Options) (_ *ControlPlane, err error) {
	program, err := programs.Components().Build(ctx, opts.Logger)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cp := &ControlPlane{Dir: opts.Dir, log: opts.Logger, closing: make(chan struct{})}
	defer func() {
		if err != nil {
			cp.Close()
		}
	}()
	ports, err := FreePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	l := layout{dir: opts.Dir, address: opts.Address, etcdPort: ports[0], peerPort: ports[1], port: ports[2]}
	if cp.pki, err = newPKI(filepath.Join(opts.Dir, "pki"), opts.Address); err != nil {
		return nil, fmt.Errorf("certificates of the control plane: %w", err)
	}
	if err := cp.writeKubeconfigs(l); err != nil {
		return nil, err
	}
	start := func(name string, flags []string) (*process.Process, error) {
		return cp.start(program, name, append(flags, opts.Flags[name]...))
	}
	if _, err := start(etcd, l.etcdFlags()); err != nil {
		return nil, err
	}
	// The API server itself waits for etcd.
	server, err := start(APIServer, l.apiServerFlags())
	if err != nil {
		return nil, err
	}
	if err := server.Await(ctx, cp.answers); err != nil {
		return nil, err
	}
	if _, err := start(Scheduler, l.schedulerFlags()); err != nil {
		return nil, err
	}
	manager, err := start(Controller, l.controllerFlags())
	if err != nil {
		return nil, err
	}
	// Pods are accepted once the account that they get is there.
	return cp, manager.Await(ctx, func(ctx context.Context) error {
		_, err := cp.Kube.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// answers is an error unless the API server says that it is ready.
func (cp *ControlPlane) answers(ctx context.Context) error {
	_, err := cp.Kube.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// start runs one part. One that ends by itself is told of in the log: a test that waits in vain shows why.
func (cp *ControlPlane) start(program, name string, flags []string) (*process.Process, error) {
	return cp.Run(process.Spec{Name: name, Path: program, Args: append([]string{name}, flags...)})
}

// Run runs a program beside the control plane until it is closed: an autoscaler. Where it runs, its log and its
// environment are chosen here when the specification leaves them open.
func (cp *ControlPlane) Run(spec process.Spec) (*process.Process, error) {
	if spec.Dir == "" {
		spec.Dir = cp.Dir
	}
	if spec.Log == "" {
		spec.Log = filepath.Join(cp.Dir, spec.Name+".log")
	}
	// No proxy of the user's environment, no credentials, no kubeconfig gets in.
	spec.Env = append([]string{"HOME=" + cp.Dir, "TMPDIR=" + cp.Dir}, spec.Env...)
	p, err := process.Start(spec)
	if err != nil {
		return nil, err
	}
	cp.parts = append(cp.parts, p)
	cp.watchers.Go(func() {
		select {
		case <-cp.closing:
		case <-p.Done():
			select {
			case <-cp.closing:
			default:
				cp.log.Error("A program has ended", "program", p.Name(), "log", p.Tail())
			}
		}
	})
	return p, nil
}

// Close ends all parts, the last first. It may be called more than once.
func (cp *ControlPlane) Close() {
	cp.close.Do(func() {
		close(cp.closing)
		cp.watchers.Wait()
		for _, p := range slices.Backward(cp.parts) {
			// Nothing in it is worth a long good-bye: the API server would wait a minute for watches to end.
			p.Stop(100 * time.Millisecond)
		}
	})
}

// writeKubeconfigs lets the parts and the caller in, each under a name of its own.
func (cp *ControlPlane) writeKubeconfigs(l layout) error {
	for name, user := range map[string]user{
		"admin":    {"admin", []string{"system:masters"}},
		Controller: {"system:kube-controller-manager", nil},
		Scheduler:  {"system:kube-scheduler", nil},
	} {
		config, err := cp.pki.kubeconfig(l.url(), user)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", name, err)
		}
		if err := clientcmd.WriteToFile(*config, l.kubeconfig(name)); err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", name, err)
		}
	}
	cp.Kubeconfig = l.kubeconfig("admin")
	var err error
	cp.Clients, err = NewClients(cp.Kubeconfig)
	return err
}

// FreePorts returns n different loopback ports that nobody listens on. They are below those that the system gives to outgoing
// connections, one of which could take a port in the seconds that a server needs to start, or to start again. Their UDP ports are
// held until this process ends, so that another one that calls this passes them over.
func FreePorts(ctx context.Context, n int) ([]int, error) {
	const first, last, tries = 10_000, 32_767, 1000
	var ports []int
	var err error
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := first + rand.N(last-first+1)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var held net.PacketConn
		if held, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp", addr); err != nil {
			continue
		}
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			_ = held.Close() // Nothing was sent there.
			continue
		}
		reserved.Lock()
		reserved.ports = append(reserved.ports, held)
		reserved.Unlock()
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("find a free port from %d to %d: %w", first, last, err)
}

// reserved keeps the ports from being closed when their memory is freed.
var reserved struct {
	sync.Mutex

	ports []net.PacketConn
}

// mkdir makes a folder that only its owner can look into.
func mkdir(path string) error { return os.MkdirAll(path, 0o700) }
