// Package programs builds programs out of pinned Go modules: the parts of a control plane, and the autoscalers that
// upstream publishes. Each is built once and kept in the user's cache folder under a key of everything that it is made of, so a new
// version is another file, and all clones and test runs share one. Running them is the business of package process.
package programs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Program is a main package.
type Program struct {
	Name    string
	Module  string   // the folder whose go.mod pins it, relative to that of the wind tunnel
	Package string   // its import path
	Sources []string // patterns of files in Module that count beside what go.mod pins
	Static  bool     // it needs no C library, so that it runs in an image that has none
}

// The modules that pin upstream programs.
const (
	here    = "."
	root    = ".."
	scalers = "tools/scalers"
	keda    = "tools/keda"
	node    = "tools/node"
	adapter = "tools/adapter"
)

// Components is the control plane: package controlplane/components.
func Components() Program {
	const dir = "internal/controlplane/components"
	return Program{Name: "components", Module: here, Package: "./" + dir, Sources: []string{dir + "/*.go"}}
}

// RabbitMQ runs a real broker, as its standard input says.
func RabbitMQ() Program {
	const dir = "internal/testservers"
	return Program{Name: "rabbitmq", Module: root, Package: "./" + dir + "/rabbitmq", Sources: []string{dir + "/*.go", dir + "/rabbitmq/*.go"}}
}

// Kwok stands in for kubelets.
func Kwok() Program {
	return Program{Name: "kwok", Module: scalers, Package: "sigs.k8s.io/kwok/cmd/kwok"}
}

// KarpenterKwok is Karpenter with a cloud provider whose nodes are kwok's.
func KarpenterKwok() Program {
	return Program{Name: "karpenter", Module: scalers, Package: "sigs.k8s.io/karpenter/kwok"}
}

// VPARecommender is the part of the Vertical Pod Autoscaler that recommends.
func VPARecommender() Program { return vpa("recommender") }

// VPAUpdater is the part that evicts, or resizes in place.
func VPAUpdater() Program { return vpa("updater") }

// VPAAdmission is the part that gives new pods what is recommended.
func VPAAdmission() Program { return vpa("admission-controller") }

func vpa(part string) Program {
	return Program{Name: "vpa-" + part, Module: scalers, Package: "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/" + part}
}

// KEDAOperator is the operator of KEDA.
func KEDAOperator() Program {
	return Program{Name: "keda-operator", Module: keda, Package: "github.com/kedacore/keda/v2/cmd/operator"}
}

// KEDAAdapter is the external metrics API of KEDA.
func KEDAAdapter() Program {
	return Program{Name: "keda-adapter", Module: keda, Package: "github.com/kedacore/keda/v2/cmd/adapter"}
}

// PrometheusAdapter serves what Prometheus has as metrics for HPAs.
func PrometheusAdapter() Program {
	return Program{Name: "prometheus-adapter", Module: adapter, Package: "sigs.k8s.io/prometheus-adapter/cmd/adapter"}
}

// Kubelet runs pods. It and kube-proxy come from the module that the control plane comes from, and share what is compiled.
func Kubelet() Program {
	return Program{Name: "kubelet", Module: here, Package: "k8s.io/kubernetes/cmd/kubelet"}
}

// KubeProxy leads the addresses of services to pods.
func KubeProxy() Program {
	return Program{Name: "kube-proxy", Module: here, Package: "k8s.io/kubernetes/cmd/kube-proxy"}
}

// Containerd runs containers for a kubelet.
func Containerd() Program { return containerd("containerd") }

// ContainerdShim is what containerd starts for each pod; it looks for it on the path, by the name of the program.
func ContainerdShim() Program { return containerd("containerd-shim-runc-v2") }

// Ctr gives images to containerd.
func Ctr() Program { return containerd("ctr") }

func containerd(name string) Program {
	return Program{Name: name, Module: node, Package: "github.com/containerd/containerd/v2/cmd/" + name, Static: true}
}

// CoreDNS answers for the names of services.
func CoreDNS() Program {
	return Program{Name: "coredns", Module: node, Package: "github.com/coredns/coredns", Static: true}
}

// MetricsServer serves what kubelets measure.
func MetricsServer() Program {
	return Program{Name: "metrics-server", Module: node, Package: "sigs.k8s.io/metrics-server/cmd/metrics-server", Static: true}
}

// Build returns the path of the program, and builds it first when it is not there.
func (p Program) Build(ctx context.Context, log *slog.Logger) (string, error) {
	tunnel, err := Root(ctx)
	if err != nil {
		return "", err
	}
	module := filepath.Join(tunnel, p.Module)
	key, err := p.key(module)
	if err != nil {
		return "", fmt.Errorf("what %s is made of: %w", p.Name, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a place for %s: %w", p.Name, err)
	}
	dir := filepath.Join(cache, "k8s-scalers", "windtunnel")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("a place for %s: %w", p.Name, err)
	}
	path := filepath.Join(dir, p.Name+"-"+key)
	// Two that want the same program at the same time do not both build it.
	lock := flock.New(filepath.Join(dir, p.Name+".lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another build of %s: %w", p.Name, err)
	}
	defer func() { _ = lock.Close() }() // It ends with the process at the latest.
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	log.InfoContext(ctx, "Building, which takes minutes the first time", "program", p.Name)
	begin := time.Now()
	// Our own have a build tag, so that nobody else compiles all of Kubernetes. Moved at the end, so that no half-built
	// program stays.
	var env []string
	if p.Static {
		env = []string{"CGO_ENABLED=0"}
	}
	if _, err := command(ctx, module, env, "build", "-tags=autoscalers", "-buildvcs=false", "-ldflags=-s -w", "-o", path+".new", p.Package); err != nil {
		return "", fmt.Errorf("build %s: %w", p.Name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Name, err)
	}
	log.InfoContext(ctx, "Built", "program", p.Name, "took", time.Since(begin).Round(100*time.Millisecond))
	return path, p.forget(dir, path)
}

// forget removes the builds of other versions, unless they are from today and so perhaps wanted by another clone.
func (p Program) forget(dir, keep string) error {
	old, err := filepath.Glob(filepath.Join(dir, p.Name+"-"+strings.Repeat("[0-9a-f]", 2*keySize)))
	if err != nil {
		return err
	}
	for _, path := range old {
		info, err := os.Stat(path)
		if err != nil || path == keep || time.Since(info.ModTime()) < 24*time.Hour {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove an old build of %s: %w", p.Name, err)
		}
	}
	return nil
}

// keySize is the number of bytes of a key; nobody forges builds in a user's own cache.
const keySize = 8

// key stands for everything that decides what the program is.
func (p Program) key(module string) (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, p.Package) // A hash takes everything.
	if p.Static {
		_, _ = fmt.Fprintln(sum, "static")
	}
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	for _, pattern := range p.Sources {
		sources, err := filepath.Glob(filepath.Join(module, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, sources...)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:keySize]), nil
}

// ModuleDir returns the folder of a module that one of ours pins: for files in it that are not Go, such as custom
// resource definitions.
func ModuleDir(ctx context.Context, p Program, module string) (string, error) {
	tunnel, err := Root(ctx)
	if err != nil {
		return "", err
	}
	out, err := command(ctx, filepath.Join(tunnel, p.Module), nil, "mod", "download", "-json", module)
	if err != nil {
		return "", fmt.Errorf("folder of module %s: %w", module, err)
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", fmt.Errorf("folder of module %s: %w", module, err)
	}
	return answer.Dir, nil
}

// Root returns the folder of the wind tunnel's module, in which this process must run.
func Root(ctx context.Context) (string, error) {
	out, err := command(ctx, "", nil, "list", "-m", "-f", "{{.Dir}}", "k8s-scalers/windtunnel")
	if err != nil {
		return "", fmt.Errorf("the sources of the wind tunnel, in which this must run: %w", err)
	}
	return string(bytes.TrimSpace(out)), nil
}

// command runs the Go command, whose errors are told in its own words.
func command(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
