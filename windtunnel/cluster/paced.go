package cluster

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// paced is a clientset whose writers wait for their next turn after each write, so that a controller goes on when everybody, its own cache
// included, has seen what it wrote. Without that the number of conflicts and retries would depend on which goroutine is faster, and with it
// the moment at which things happen. Pods are created and deleted by several goroutines at once; they take turns for the
// write itself, too. Only what the controllers write is here; the rest is the fake clientset's. These writes go straight to the API: the
// fake one would copy each object several times over for its log of calls.
type paced struct {
	kubernetes.Interface
	api *API
}

func (c paced) CoreV1() coreclient.CoreV1Interface { return pacedCore{c.Interface.CoreV1(), c.api} }
func (c paced) AppsV1() appsclient.AppsV1Interface { return pacedApps{c.Interface.AppsV1(), c.api} }
func (c paced) AutoscalingV2() autoscalingclient.AutoscalingV2Interface {
	return pacedAutoscaling{c.Interface.AutoscalingV2(), c.api}
}

// turnOf is the name under which the writer of an object waits for its turn.
func turnOf(resource schema.GroupResource, namespace, name string) string {
	return resource.Resource + " " + namespace + "/" + name
}

// write updates an object.
func write[T Object](api *API, resource schema.GroupResource, subresource string, object T) (T, error) {
	defer api.turns.take(turnOf(resource, object.GetNamespace(), object.GetName()))
	stored, err := api.Update(resource, subresource, object)
	if err != nil {
		var none T
		return none, err
	}
	return stored.(T), nil
}

// create adds an object to a namespace.
func create[T Object](api *API, resource schema.GroupResource, namespace string, object T) (T, error) {
	defer api.turns.take(turnOf(resource, namespace, object.GetGenerateName()+object.GetName()))
	if object.GetNamespace() == "" {
		object.SetNamespace(namespace)
	}
	stored, err := api.Create(resource, object)
	if err != nil {
		var none T
		return none, err
	}
	return stored.(T), nil
}

type pacedCore struct {
	coreclient.CoreV1Interface
	api *API
}

func (c pacedCore) Pods(namespace string) coreclient.PodInterface {
	return pacedPods{c.CoreV1Interface.Pods(namespace), c.api, namespace}
}

type pacedPods struct {
	coreclient.PodInterface
	api       *API
	namespace string
}

func (c pacedPods) Create(_ context.Context, pod *corev1.Pod, _ metav1.CreateOptions) (*corev1.Pod, error) {
	c.api.turns.take(turnOf(podResource, c.namespace, pod.GenerateName+pod.Name))
	return create(c.api, podResource, c.namespace, pod)
}

func (c pacedPods) Delete(_ context.Context, name string, options metav1.DeleteOptions) error {
	who := turnOf(podResource, c.namespace, name)
	c.api.turns.take(who)
	defer c.api.turns.take(who)
	return c.api.Delete(podResource, c.namespace, name, options)
}

type pacedApps struct {
	appsclient.AppsV1Interface
	api *API
}

func (c pacedApps) Deployments(namespace string) appsclient.DeploymentInterface {
	return pacedDeployments{c.AppsV1Interface.Deployments(namespace), c.api}
}

func (c pacedApps) ReplicaSets(namespace string) appsclient.ReplicaSetInterface {
	return pacedReplicaSets{c.AppsV1Interface.ReplicaSets(namespace), c.api, namespace}
}

type pacedDeployments struct {
	appsclient.DeploymentInterface
	api *API
}

func (c pacedDeployments) Update(_ context.Context, d *appsv1.Deployment, _ metav1.UpdateOptions) (*appsv1.Deployment, error) {
	return write(c.api, deploymentResource, "", d)
}

func (c pacedDeployments) UpdateStatus(_ context.Context, d *appsv1.Deployment, _ metav1.UpdateOptions) (*appsv1.Deployment, error) {
	return write(c.api, deploymentResource, "status", d)
}

type pacedReplicaSets struct {
	appsclient.ReplicaSetInterface
	api       *API
	namespace string
}

func (c pacedReplicaSets) Create(_ context.Context, s *appsv1.ReplicaSet, _ metav1.CreateOptions) (*appsv1.ReplicaSet, error) {
	return create(c.api, replicaSetResource, c.namespace, s)
}

func (c pacedReplicaSets) Update(_ context.Context, s *appsv1.ReplicaSet, _ metav1.UpdateOptions) (*appsv1.ReplicaSet, error) {
	return write(c.api, replicaSetResource, "", s)
}

func (c pacedReplicaSets) UpdateStatus(_ context.Context, s *appsv1.ReplicaSet, _ metav1.UpdateOptions) (*appsv1.ReplicaSet, error) {
	return write(c.api, replicaSetResource, "status", s)
}

type pacedAutoscaling struct {
	autoscalingclient.AutoscalingV2Interface
	api *API
}

func (c pacedAutoscaling) HorizontalPodAutoscalers(namespace string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return pacedScalers{c.AutoscalingV2Interface.HorizontalPodAutoscalers(namespace), c.api}
}

type pacedScalers struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	api *API
}

func (c pacedScalers) UpdateStatus(_ context.Context, h *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return write(c.api, scalerResource, "status", h)
}
