package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"k8s-scalers/windtunnel/internal/process"
	"k8s-scalers/windtunnel/internal/programs"
)

// StartKEDA runs KEDA's operator and its metrics adapter beside the control plane, as the account that KEDA's own
// manifests make, with its rights.
func (cp *ControlPlane) StartKEDA(ctx context.Context) error {
	if err := cp.InstallCRDs(ctx, KEDA()); err != nil {
		return err
	}
	objects, err := KEDA().Files(ctx, "config/general/namespace.yaml", "config/service_account/service_account.yaml",
		"config/rbac/role.yaml", "config/rbac/role_binding.yaml", "config/metrics-server/role.yaml", "config/metrics-server/role_binding.yaml")
	if err != nil {
		return err
	}
	if err := cp.Apply(ctx, objects...); err != nil {
		return err
	}
	kubeconfig, err := cp.ServiceAccountKubeconfig(ctx, "keda", "keda-operator")
	if err != nil {
		return err
	}
	ports, err := FreePorts(ctx, 5)
	if err != nil {
		return err
	}
	certs, err := cp.kedaCertificates()
	if err != nil {
		return fmt.Errorf("certificates of KEDA: %w", err)
	}
	env := []string{"KUBECONFIG=" + kubeconfig, "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda", "WATCH_NAMESPACE="}
	if err := cp.runBuilt(ctx, programs.KEDAOperator(), env, "--cert-dir="+certs, "--zap-log-level=info",
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]),
		fmt.Sprintf("--metrics-service-bind-address=127.0.0.1:%d", ports[2])); err != nil {
		return err
	}
	if err := cp.runBuilt(ctx, programs.KEDAAdapter(), env,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[3]), fmt.Sprintf("--port=%d", ports[4]),
		fmt.Sprintf("--metrics-service-address=localhost:%d", ports[2]),
		"--client-ca-file="+filepath.Join(certs, "ca.crt"), "--tls-cert-file="+filepath.Join(certs, "tls.crt"),
		"--tls-private-key-file="+filepath.Join(certs, "tls.key"), "--cert-dir="+certs,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig, "--lister-kubeconfig="+kubeconfig); err != nil {
		return err
	}
	return cp.RegisterAPIs(ctx, "keda", "keda-metrics-apiserver", ports[3], API{Group: "external.metrics.k8s.io", Version: "v1beta1"})
}

// kedaCertificates makes the folder of those that KEDA would make for itself, and a kubelet would mount.
func (cp *ControlPlane) kedaCertificates() (string, error) {
	certs := filepath.Join(cp.Dir, "keda-certs")
	if err := mkdir(certs); err != nil {
		return "", err
	}
	cert, key, ca, err := cp.ServingCertificate("keda", "keda-metrics-apiserver.keda.svc", "keda-operator.keda.svc", "localhost")
	if err != nil {
		return "", err
	}
	for from, to := range map[string]string{cert: "tls.crt", key: "tls.key", ca: "ca.crt"} {
		if err := os.Symlink(from, filepath.Join(certs, to)); err != nil {
			return "", err
		}
	}
	return certs, nil
}

// StartVPA runs the three programs of the Vertical Pod Autoscaler beside the control plane, each as its own account with
// the rights that upstream gives it. They act within seconds rather than within minutes and days.
func (cp *ControlPlane) StartVPA(ctx context.Context) error {
	if err := cp.InstallCRDs(ctx, VPA()); err != nil {
		return err
	}
	objects, err := VPA().Files(ctx, "deploy/vpa-rbac.yaml")
	if err != nil {
		return err
	}
	if err := cp.Apply(ctx, objects...); err != nil {
		return err
	}
	ports, err := FreePorts(ctx, 4)
	if err != nil {
		return err
	}
	cert, key, ca, err := cp.ServingCertificate("vpa-webhook", "vpa-webhook.kube-system.svc")
	if err != nil {
		return err
	}
	for _, part := range []struct {
		program programs.Program
		account string
		port    int
		flags   []string
	}{
		{programs.VPAAdmission(), "vpa-admission-controller", ports[0], []string{
			fmt.Sprintf("--port=%d", ports[3]), fmt.Sprintf("--webhook-port=%d", ports[3]), "--webhook-address=https://127.0.0.1", "--register-by-url=true",
			"--client-ca-file=" + ca, "--tls-cert-file=" + cert, "--tls-private-key=" + key,
		}},
		{programs.VPARecommender(), "vpa-recommender", ports[1], []string{
			"--recommender-interval=1s",
			// Confidence grows with the time that pods have been watched: here within a minute rather than a day.
			"--confidence-interval-cpu=10s", "--confidence-interval-memory=10s",
			// As in addons/values/vpa.yaml.
			"--pod-recommendation-min-memory-mb=32", "--pod-recommendation-min-cpu-millicores=15",
		}},
		{programs.VPAUpdater(), "vpa-updater", ports[2], []string{
			"--updater-interval=2s", "--eviction-rate-limit=-1",
			// Pods that are within bounds need not be half a day old.
			"--in-recommendation-bounds-eviction-lifetime-threshold=10s",
		}},
	} {
		kubeconfig, err := cp.ServiceAccountKubeconfig(ctx, "kube-system", part.account)
		if err != nil {
			return err
		}
		if err := cp.runBuilt(ctx, part.program, []string{"NAMESPACE=kube-system"}, append(part.flags, "--kubeconfig="+kubeconfig,
			fmt.Sprintf("--address=127.0.0.1:%d", part.port), "--kube-api-qps=200", "--kube-api-burst=200", "--v=4")...); err != nil {
			return err
		}
	}
	// The admission controller registers itself after some seconds, and the updater does nothing until it has.
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		_, err := cp.Kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "vpa-webhook-config", metav1.GetOptions{})
		return err == nil, nil
	})
}

// runBuilt builds a program where it is not there yet, and runs it.
func (cp *ControlPlane) runBuilt(ctx context.Context, p programs.Program, env []string, args ...string) error {
	path, err := p.Build(ctx, cp.log)
	if err != nil {
		return err
	}
	_, err = cp.Run(process.Spec{Name: p.Name, Path: path, Env: env, Args: args})
	return err
}
