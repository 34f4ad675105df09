package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

// monitored is the label of the services whose port "admin" is scraped, as deploy/monitoring/servicemonitor.yaml chooses them.
const monitored = "app.kubernetes.io/part-of=captions"

// StartPrometheus runs Debian's Prometheus and prometheus-adapter beside the control plane. The adapter has the rules of
// deploy/addons/values/prometheus-adapter.yaml, and serves the metrics of pods and objects; those that are external are
// KEDA's, of which a cluster can have one source only.
func (cp *ControlPlane) StartPrometheus(ctx context.Context) error {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		return errors.New("prometheus is missing; scripts/setup.sh monitoring installs it")
	}
	dir := filepath.Join(cp.Dir, "prometheus")
	if err := mkdir(dir); err != nil {
		return err
	}
	ports, err := FreePorts(ctx, 2)
	if err != nil {
		return err
	}
	// Debian's Prometheus does not know Kubernetes. What to scrape is told it by a file.
	targets := filepath.Join(dir, "targets.json")
	config, err := yaml.Marshal(map[string]any{"scrape_configs": []any{map[string]any{
		"job_name": "captions", "scrape_interval": "15s", "file_sd_configs": []any{map[string]any{"files": []string{targets}}},
	}}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), config, 0o600); err != nil {
		return err
	}
	if err := cp.writeTargets(ctx, targets); err != nil {
		return err
	}
	cp.watchers.Go(func() { cp.keepTargets(targets) })
	address := net.JoinHostPort(loopback, strconv.Itoa(ports[0]))
	if _, err := cp.Run(process.Spec{Name: "prometheus", Path: path, Dir: dir, Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
	}}); err != nil {
		return err
	}
	return cp.startAdapter(ctx, dir, "http://"+address, ports[1])
}

// startAdapter runs prometheus-adapter as the account of its own manifests, with its rights.
func (cp *ControlPlane) startAdapter(ctx context.Context, dir, prometheus string, port int) error {
	const namespace, name = "monitoring", "prometheus-adapter"
	rules, err := adapterRules(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "adapter.yaml")
	if err := os.WriteFile(config, rules, 0o600); err != nil {
		return err
	}
	objects, err := PrometheusAdapter().Files(ctx, "deploy/manifests/service-account.yaml", "deploy/manifests/cluster-role.yaml",
		"deploy/manifests/cluster-role-binding.yaml", "deploy/manifests/cluster-role-binding-delegator.yaml", "deploy/manifests/role-binding-auth-reader.yaml")
	if err != nil {
		return err
	}
	home := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}}}
	if err := cp.Apply(ctx, append([]*unstructured.Unstructured{home}, objects...)...); err != nil {
		return err
	}
	kubeconfig, err := cp.ServiceAccountKubeconfig(ctx, namespace, name)
	if err != nil {
		return err
	}
	cert, key, _, err := cp.ServingCertificate(name, name+"."+namespace+".svc")
	if err != nil {
		return err
	}
	if err := cp.runBuilt(ctx, programs.PrometheusAdapter(), nil,
		"--config="+config, "--prometheus-url="+prometheus, "--metrics-relist-interval=30s",
		"--bind-address="+loopback, fmt.Sprintf("--secure-port=%d", port), "--tls-cert-file="+cert, "--tls-private-key-file="+key, "--cert-dir="+dir,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig, "--lister-kubeconfig="+kubeconfig); err != nil {
		return err
	}
	return cp.RegisterAPIs(ctx, namespace, name, port, API{Group: "custom.metrics.k8s.io", Version: "v1beta1"})
}

// adapterRules is the configuration that the chart of prometheus-adapter makes of our values.
func adapterRules(ctx context.Context) ([]byte, error) {
	root, err := programs.Root(ctx)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(root, "..", "deploy", "addons", "values", "prometheus-adapter.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var values struct {
		Rules struct {
			Custom []any `json:"custom"`
		} `json:"rules"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return yaml.Marshal(map[string]any{"rules": values.Rules.Custom})
}

// keepTargets writes down what is to be scraped until the control plane is closed.
func (cp *ControlPlane) keepTargets(path string) {
	const pause = 5 * time.Second
	for {
		select {
		case <-cp.closing:
			return
		case <-time.After(pause):
		}
		ctx, cancel := context.WithTimeout(context.Background(), pause)
		if err := cp.writeTargets(ctx, path); err != nil {
			cp.log.Warn("What Prometheus scrapes may be out of date", "error", err)
		}
		cancel()
	}
}

// targetGroup is an entry of the files that Prometheus reads targets from.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// writeTargets writes the pods behind the monitored services, with the labels that a ServiceMonitor gives them.
func (cp *ControlPlane) writeTargets(ctx context.Context, path string) error {
	services, err := cp.Kube.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: monitored})
	if err != nil {
		return err
	}
	groups := []targetGroup{}
	for _, s := range services.Items {
		slices, err := cp.Kube.DiscoveryV1().EndpointSlices(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + s.Name})
		if err != nil {
			return err
		}
		for _, slice := range slices.Items {
			groups = append(groups, adminTargets(s, slice)...)
		}
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// adminTargets are the ports named admin of the pods in a slice.
func adminTargets(s corev1.Service, slice discoveryv1.EndpointSlice) []targetGroup {
	var groups []targetGroup
	for _, port := range slice.Ports {
		if port.Name == nil || *port.Name != "admin" || port.Port == nil {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil {
				continue
			}
			groups = append(groups, targetGroup{
				Targets: []string{net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*port.Port)))},
				Labels:  map[string]string{"namespace": s.Namespace, "service": s.Name, "pod": e.TargetRef.Name},
			})
		}
	}
	return groups
}
