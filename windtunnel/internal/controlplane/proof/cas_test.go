//go:build autoscalers

package proof_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestCAS applies CAS/ and asks the API server, as the account of Cluster Autoscaler, whether the calls that it makes are
// allowed, and those that it must not make are not. Its module cannot be built, and it would want an AWS; its flags are
// looked at instead.
func TestCAS(t *testing.T) {
	proof(t)
	c := newCluster(t, nil)
	objects := manifests(t, "CAS")
	c.apply(t, "", objects)

	// What it watches, to decide where pods fit; what it does to nodes and pods; what it tells.
	const allowed = `
		list,watch pods nodes services namespaces replicationcontrollers persistentvolumes persistentvolumeclaims
		list,watch apps/replicasets apps/statefulsets apps/daemonsets batch/jobs policy/poddisruptionbudgets
		list,watch storage.k8s.io/storageclasses storage.k8s.io/csinodes storage.k8s.io/csidrivers storage.k8s.io/csistoragecapacities
		list,watch storage.k8s.io/volumeattachments resource.k8s.io/resourceclaims resource.k8s.io/resourceslices resource.k8s.io/deviceclasses
		get apps/replicasets apps/statefulsets batch/jobs
		get,update,patch,delete nodes
		create pods/eviction
		update pods/status
		create,patch events
		create coordination.k8s.io/leases
		get,update coordination.k8s.io/leases:cluster-autoscaler
		create,list,watch configmaps
		get,update configmaps:cluster-autoscaler-status
		get configmaps:cluster-autoscaler-priority-expander`
	const denied = `
		get,list secrets
		create,delete pods
		get,update coordination.k8s.io/leases:another
		update configmaps:coredns
		create,update apps/deployments
		create nodes`
	for _, question := range questions(allowed) {
		require.True(t, c.may(t, question), "%+v", question)
	}
	for _, question := range questions(denied) {
		require.False(t, c.may(t, question), "%+v", question)
	}

	d, err := c.Kube.AppsV1().Deployments("kube-system").Get(t.Context(), "cluster-autoscaler", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "cluster-autoscaler", d.Spec.Template.Spec.ServiceAccountName)
	command := strings.Join(d.Spec.Template.Spec.Containers[0].Command, "\n")
	require.Contains(t, command, "--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/captions")
	require.NotContains(t, command, "--nodes=")
	require.Contains(t, command, "--expander=priority")
	priorities, err := c.Kube.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "cluster-autoscaler-priority-expander", metav1.GetOptions{})
	require.NoError(t, err)
	var parsed map[int][]string
	require.NoError(t, yaml.UnmarshalStrict([]byte(priorities.Data["priorities"]), &parsed))
	require.NotEmpty(t, parsed)
}

// questions reads lines of verbs and resources, where a resource is [group/]resource[/subresource][:name].
func questions(text string) []authorizationv1.ResourceAttributes {
	var all []authorizationv1.ResourceAttributes
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		for verb := range strings.SplitSeq(fields[0], ",") {
			for _, what := range fields[1:] {
				q := authorizationv1.ResourceAttributes{Verb: verb, Namespace: "kube-system"}
				what, q.Name, _ = strings.Cut(what, ":")
				if resource, subresource, ok := strings.Cut(what, "/"); ok && resource == "pods" {
					q.Resource, q.Subresource = resource, subresource
				} else if ok {
					q.Group, q.Resource = resource, subresource
				} else {
					q.Resource = what
				}
				all = append(all, q)
			}
		}
	}
	return all
}

// may asks whether the account of Cluster Autoscaler may do something; what is not of kube-system, everywhere.
func (c cluster) may(t *testing.T, question authorizationv1.ResourceAttributes) bool {
	t.Helper()
	if question.Resource != "leases" && question.Resource != "configmaps" {
		question.Namespace = corev1.NamespaceAll
	}
	answer, err := c.Kube.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:kube-system:cluster-autoscaler", ResourceAttributes: &question,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return answer.Status.Allowed
}
