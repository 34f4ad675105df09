package deploytest

import (
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"k8s-scalers/windtunnel/manifest"
)

const deploy = "../../../deploy"

// folders are all that somebody can apply; components are parts of others.
func folders(t *testing.T) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(deploy, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{"behavior", "components"}, d.Name()) {
			return fs.SkipDir
		}
		if err == nil && d.Name() == "kustomization.yaml" {
			all = append(all, filepath.Dir(path))
		}
		return err
	}))
	return all
}

func TestEveryFolderBuildsAndFitsTheSchemas(t *testing.T) {
	all := folders(t)
	require.Greater(t, len(all), 70)
	for _, dir := range all {
		t.Run(dir, func(t *testing.T) {
			objects, err := manifest.Load(dir)
			require.NoError(t, err)
			require.NotEmpty(t, objects)
			for _, o := range objects {
				problems, err := manifest.Check(o)
				require.NoError(t, err, o.Ref())
				require.Empty(t, problems, "%s: %s", o.Position(), o.Ref())
			}
		})
	}
}

// services are ours; each overlay has them all.
var services = []string{"auth-service", "caption-service", "caption-worker", "frontend", "gateway-service", "upload-service"}

func TestEveryServiceHasWhatItNeeds(t *testing.T) {
	for _, overlay := range []string{"kind", "node", "eks"} {
		objects, err := manifest.Load(filepath.Join(deploy, "overlays", overlay))
		require.NoError(t, err)
		have := map[string][]string{}
		for _, o := range objects {
			if ns := o.GetNamespace(); o.GetKind() != "Namespace" {
				require.Equal(t, "captions", ns, o.Ref())
			}
			have[o.GetKind()] = append(have[o.GetKind()], o.GetName())
		}
		for _, kind := range []string{"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"} {
			for _, s := range services {
				require.Contains(t, have[kind], s, "%s: %s", overlay, kind)
			}
		}
		require.Contains(t, have["NetworkPolicy"], "default-deny")
		for _, o := range objects {
			if o.GetKind() == "Deployment" {
				checkDeployment(t, o)
			}
		}
	}
}

func checkDeployment(t *testing.T, o *manifest.Object) {
	t.Helper()
	d, err := manifest.As[appsv1.Deployment](o)
	require.NoError(t, err)
	pod := d.Spec.Template.Spec
	if o.GetName() != "frontend" { // which has no autoscaler
		require.Nil(t, d.Spec.Replicas, o.Ref())
	}
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	require.NotEmpty(t, pod.TopologySpreadConstraints)
	require.Greater(t, *pod.TerminationGracePeriodSeconds, int64(30))
	for _, c := range pod.Containers {
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
		require.Positive(t, c.Resources.Requests.Cpu().MilliValue())
		require.Positive(t, c.Resources.Requests.Memory().Value())
		require.GreaterOrEqual(t, c.Resources.Limits.Memory().Value(), c.Resources.Requests.Memory().Value())
		require.NotNil(t, c.StartupProbe)
		require.NotNil(t, c.LivenessProbe)
		require.NotNil(t, c.ReadinessProbe)
	}
}

// TestNobodyReachesEverything: a rule without a peer opens a port to or from the whole world, which only the entries may.
func TestNobodyReachesEverything(t *testing.T) {
	for _, overlay := range []string{"kind", "node", "eks"} {
		objects, err := manifest.Load(filepath.Join(deploy, "overlays", overlay))
		require.NoError(t, err)
		for _, o := range objects {
			if o.GetKind() != "NetworkPolicy" {
				continue
			}
			p, err := manifest.As[networkingv1.NetworkPolicy](o)
			require.NoError(t, err)
			for _, r := range p.Spec.Egress {
				require.NotEmpty(t, r.To, o.Ref())
				require.NotEmpty(t, r.Ports, o.Ref())
			}
			for _, r := range p.Spec.Ingress {
				require.NotEmpty(t, r.Ports, o.Ref())
				if !slices.Contains([]string{"gateway-service", "minio"}, o.GetName()) {
					require.NotEmpty(t, r.From, o.Ref())
				}
			}
		}
	}
}

// TestTheJobOfKedaIsTheWorker keeps the pod of the ScaledJob like that of the Deployment.
func TestTheJobOfKedaIsTheWorker(t *testing.T) {
	base, err := manifest.Load(filepath.Join(deploy, "base", "caption-worker", "deployment.yaml"))
	require.NoError(t, err)
	jobs, err := manifest.Load(filepath.Join(deploy, "KEDA", "caption-worker", "scaled_job", "scaledjob.yaml"))
	require.NoError(t, err)
	container := func(o *manifest.Object, path ...string) map[string]any {
		v := o.Object
		for _, p := range path {
			v = v[p].(map[string]any)
		}
		return v["containers"].([]any)[0].(map[string]any)
	}
	deployment := container(base[0], "spec", "template", "spec")
	job := container(jobs[0], "spec", "jobTargetRef", "template", "spec")
	for _, field := range []string{"image", "envFrom", "resources", "securityContext", "volumeMounts", "startupProbe", "livenessProbe", "ports"} {
		require.Equal(t, deployment[field], job[field], field)
	}
}
