package cluster

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"github.com/google/uuid"
)

// Resources that have rules of their own.
var (
	podResource        = schema.GroupResource{Resource: "pods"}
	replicaSetResource = schema.GroupResource{Group: "apps", Resource: "replicasets"}
	scalerResource     = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}
	pdbResource        = schema.GroupResource{Group: "policy", Resource: "poddisruptionbudgets"}
)

// API keeps the rules of a Kubernetes API server that controllers rely on: versions and conflicts, spec and status written
// apart, generations, finalizers, grace periods, bindings, evictions. It has no validation beyond that; manifests are
// checked against a real API server elsewhere.
type API struct {
	scheme *runtime.Scheme
	store  *store
	// made counts, for each thing that names are made from, how many were made.
	made map[string]int
	// admit may change a pod that is about to be created, as a webhook does.
	admit []func(Object)
	now   func() time.Time
	// waiting is the pods without a node, placed the others.
	waiting unbound
	placed  bound
	budgets budgets
	// turns are those of the controllers.
	turns turns
}

func newAPI(scheme *runtime.Scheme) *API {
	a := &API{scheme: scheme, store: newStore(), made: map[string]int{}, now: time.Now, waiting: unbound{}, placed: bound{}}
	a.store.listen(podResource, a.waiting.listen)
	a.store.listen(podResource, a.placed.listen)
	return a
}

// Get returns a copy of an object.
func (a *API) Get(resource schema.GroupResource, namespace, name string) (Object, error) {
	var found Object
	err := a.store.transact(func(t txn) error {
		object, err := t.get(resource, types.NamespacedName{Namespace: namespace, Name: name})
		if err == nil {
			found = copyOf(object)
		}
		return err
	})
	return found, err
}

// Look returns an object itself, which is shared and must not be changed.
func (a *API) Look(resource schema.GroupResource, namespace, name string) (Object, error) {
	var found Object
	err := a.store.transact(func(t txn) (err error) {
		found, err = t.get(resource, types.NamespacedName{Namespace: namespace, Name: name})
		return err
	})
	return found, err
}

// Peek returns the objects of a kind, sorted by namespace and name. They are shared and must not be changed.
func (a *API) Peek(resource schema.GroupResource) []Object {
	var objects []Object
	_ = a.store.transact(func(t txn) error {
		objects = t.list(resource, "")
		return nil
	})
	return objects
}

// Version of some kinds changes when one of their objects does.
func (a *API) Version(resources ...schema.GroupResource) int64 {
	var newest int64
	_ = a.store.transact(func(t txn) error {
		for _, r := range resources {
			newest = max(newest, t.s.kind(r).version)
		}
		return nil
	})
	return newest
}

// List fills a list with copies.
func (a *API) List(resource schema.GroupResource, namespace string, list runtime.Object) error {
	return a.store.transact(func(t txn) error { return t.fill(list, t.list(resource, namespace)) })
}

// Create adds an object and returns it as stored.
func (a *API) Create(resource schema.GroupResource, object Object) (Object, error) {
	object = copyOf(object)
	a.scheme.Default(object)
	if pod, ok := object.(*corev1.Pod); ok {
		pod.Status.Phase = corev1.PodPending
		for _, admit := range a.admit {
			admit(pod)
		}
	}
	err := a.store.transact(func(t txn) error {
		a.name(t, resource, object)
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
		if _, err := t.get(resource, key); err == nil {
			return apierrors.NewAlreadyExists(resource, key.Name)
		}
		object.SetGeneration(1)
		t.put(resource, object)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return copyOf(object), nil
}

// name gives an object what the API server makes up. The counter belongs to the prefix of the name, so objects that several
// controllers create at one moment are called the same in every run. Creation times differ by microseconds for the same
// reason: ReplicaSets leave open which of two equally old pods goes first.
func (a *API) name(t txn, resource schema.GroupResource, object Object) {
	prefix := object.GetGenerateName()
	from := fmt.Sprintf("%s/%s/%s%s", resource, object.GetNamespace(), prefix, object.GetName())
	a.made[from]++
	if object.GetName() == "" && prefix != "" {
		object.SetName(fmt.Sprintf("%s%05d", prefix, a.made[from]))
		for {
			if _, err := t.get(resource, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}); err != nil {
				break
			}
			a.made[from]++
			object.SetName(fmt.Sprintf("%s%05d", prefix, a.made[from]))
		}
	}
	if object.GetUID() == "" {
		object.SetUID(types.UID(uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s#%d", from, a.made[from])).String()))
	}
	created := a.now().Truncate(time.Second).Add(time.Duration(a.made[from]%1000) * time.Microsecond)
	object.SetCreationTimestamp(metav1.NewTime(created))
}

// Update stores the new spec and metadata of an object, or its status where subresource is "status".
func (a *API) Update(resource schema.GroupResource, subresource string, object Object) (Object, error) {
	object = copyOf(object)
	err := a.store.transact(func(t txn) error {
		old, err := t.get(resource, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()})
		if err != nil {
			return err
		}
		if v := object.GetResourceVersion(); v != "" && v != old.GetResourceVersion() {
			return apierrors.NewConflict(resource, object.GetName(), fmt.Errorf("it was changed meanwhile"))
		}
		if subresource == "status" {
			next := copyOf(old)
			if !copyField(next, object, "Status") {
				return apierrors.NewMethodNotSupported(resource, "update status")
			}
			if pod, ok := next.(*corev1.Pod); ok {
				// The kubelet and the eviction API keep the labels of a pod, but Karpenter and VPA write annotations here.
				pod.Annotations = object.GetAnnotations()
			}
			object = next
			if equality.Semantic.DeepEqual(old.GetAnnotations(), object.GetAnnotations()) && sameField(old, object, "Status") {
				return nil
			}
			t.put(resource, object)
			return nil
		}
		copyField(object, old, "Status")
		object.SetUID(old.GetUID())
		object.SetCreationTimestamp(old.GetCreationTimestamp())
		object.SetDeletionTimestamp(old.GetDeletionTimestamp())
		object.SetGeneration(old.GetGeneration())
		if !sameSpec(old, object) {
			object.SetGeneration(old.GetGeneration() + 1)
		}
		if equalButVersion(old, object) {
			object = copyOf(old)
			return nil
		}
		if object.GetDeletionTimestamp() != nil && len(object.GetFinalizers()) == 0 && resource != podResource {
			t.remove(resource, object)
			return nil
		}
		t.put(resource, object)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return copyOf(object), nil
}

// Change gets an object, lets change it, and stores spec and status in one go, whatever else happened to it. It is for the
// models that stand in for parts of a cluster, not for controllers.
func (a *API) Change(resource schema.GroupResource, namespace, name string, change func(Object)) error {
	return a.store.transact(func(t txn) error {
		old, err := t.get(resource, types.NamespacedName{Namespace: namespace, Name: name})
		if err != nil {
			return err
		}
		next := copyOf(old)
		change(next)
		if !equalButVersion(old, next) {
			t.put(resource, next)
		}
		return nil
	})
}

// Patch applies a patch to an object, or to its status.
func (a *API) Patch(resource schema.GroupResource, subresource, namespace, name string, kind types.PatchType, patch []byte) (Object, error) {
	old, err := a.Look(resource, namespace, name)
	if err != nil {
		return nil, err
	}
	var next Object
	switch kind {
	case types.JSONPatchType:
		next, err = throughJSON(old, func(before []byte) ([]byte, error) {
			operations, err := jsonpatch.DecodePatch(patch)
			if err != nil {
				return nil, err
			}
			return operations.Apply(before)
		})
	case types.MergePatchType:
		next, err = merge(old, patch)
	case types.StrategicMergePatchType:
		next, err = throughJSON(old, func(before []byte) ([]byte, error) { return strategicpatch.StrategicMergePatch(before, patch, old) })
	default:
		return nil, apierrors.NewMethodNotSupported(resource, "patch "+string(kind))
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if bytesName := resourceVersionIn(patch); !bytesName {
		next.SetResourceVersion("")
	}
	// JSON cuts times to seconds, which would make the patch look like a change of them.
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	return a.Update(resource, subresource, next)
}

// throughJSON changes an object in its JSON form.
func throughJSON(old Object, change func([]byte) ([]byte, error)) (Object, error) {
	before, err := json.Marshal(old)
	if err != nil {
		return nil, err
	}
	after, err := change(before)
	if err != nil {
		return nil, err
	}
	next := reflect.New(reflect.TypeOf(old).Elem()).Interface().(Object)
	return next, json.Unmarshal(after, next)
}

// merge applies a JSON merge patch (RFC 7386). The fields of an object merge apart from each other, so that only those which the patch
// names must become JSON: metadata, spec, status.
func merge(old Object, patch []byte) (Object, error) {
	var changes map[string]json.RawMessage
	if err := json.Unmarshal(patch, &changes); err != nil {
		return nil, err
	}
	next := copyOf(old)
	value := reflect.ValueOf(next).Elem()
	for i := range value.NumField() {
		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		change, named := changes[name]
		if !named || name == "" {
			continue
		}
		before, err := json.Marshal(value.Field(i).Interface())
		if err != nil {
			return nil, err
		}
		after, err := jsonpatch.MergePatch(before, change)
		if err != nil {
			return nil, err
		}
		merged := reflect.New(value.Type().Field(i).Type)
		if err := json.Unmarshal(after, merged.Interface()); err != nil {
			return nil, err
		}
		value.Field(i).Set(merged.Elem())
	}
	return next, nil
}

// resourceVersionIn tells whether a patch insists on a version.
func resourceVersionIn(patch []byte) bool {
	var p struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	return json.Unmarshal(patch, &p) == nil && p.Metadata.ResourceVersion != ""
}

// Delete removes an object, or marks it where finalizers or a grace period keep it.
func (a *API) Delete(resource schema.GroupResource, namespace, name string, options metav1.DeleteOptions) error {
	return a.store.transact(func(t txn) error {
		old, err := t.get(resource, types.NamespacedName{Namespace: namespace, Name: name})
		if err != nil {
			return err
		}
		if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != old.GetUID() {
			return apierrors.NewConflict(resource, name, fmt.Errorf("it has another UID"))
		}
		a.delete(t, resource, old, options.GracePeriodSeconds)
		return nil
	})
}

func (a *API) delete(t txn, resource schema.GroupResource, old Object, grace *int64) {
	if pod, ok := old.(*corev1.Pod); ok {
		a.deletePod(t, pod, grace)
		return
	}
	if len(old.GetFinalizers()) == 0 {
		t.remove(resource, old)
		return
	}
	if old.GetDeletionTimestamp() == nil {
		next := copyOf(old)
		now := metav1.NewTime(a.now())
		next.SetDeletionTimestamp(&now)
		t.put(resource, next)
	}
}

// deletePod starts the grace period of a pod that runs somewhere; the kubelet removes it. A pod without a node goes at once.
func (a *API) deletePod(t txn, old *corev1.Pod, grace *int64) {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if s := old.Spec.TerminationGracePeriodSeconds; s != nil {
		seconds = *s
	}
	if grace != nil {
		seconds = *grace
	}
	if old.Spec.NodeName == "" || seconds <= 0 {
		t.remove(podResource, old)
		return
	}
	if had := old.DeletionGracePeriodSeconds; had != nil && *had <= seconds {
		return
	}
	next := old.DeepCopy()
	at := metav1.NewTime(a.now().Add(time.Duration(seconds) * time.Second))
	next.DeletionTimestamp, next.DeletionGracePeriodSeconds = &at, &seconds
	t.put(podResource, next)
}

// Bind gives a pod its node.
func (a *API) Bind(binding *corev1.Binding) error {
	return a.store.transact(func(t txn) error {
		old, err := t.get(podResource, types.NamespacedName{Namespace: binding.Namespace, Name: binding.Name})
		if err != nil {
			return err
		}
		pod := old.DeepCopyObject().(*corev1.Pod)
		if pod.DeletionTimestamp != nil || pod.Spec.NodeName != "" {
			return apierrors.NewConflict(podResource, pod.Name, fmt.Errorf("it is being deleted or has a node"))
		}
		pod.Spec.NodeName = binding.Target.Name
		setPodCondition(pod, corev1.PodScheduled, corev1.ConditionTrue, "", a.now())
		t.put(podResource, pod)
		return nil
	})
}

// Evict deletes a pod if its disruption budgets allow it, else it fails as the API server does: too many requests.
func (a *API) Evict(namespace, name string, options *metav1.DeleteOptions) error {
	return a.store.transact(func(t txn) error {
		old, err := t.get(podResource, types.NamespacedName{Namespace: namespace, Name: name})
		if err != nil {
			return err
		}
		pod := old.(*corev1.Pod)
		if pod.DeletionTimestamp == nil && podutil.IsPodReady(pod) {
			if budget := a.violated(t, pod); budget != "" {
				return apierrors.NewTooManyRequests(
					fmt.Sprintf("Cannot evict pod as it would violate the pod's disruption budget %s.", budget), 10)
			}
		}
		var grace *int64
		if options != nil {
			grace = options.GracePeriodSeconds
		}
		a.delete(t, podResource, pod, grace)
		return nil
	})
}

// violated names a disruption budget that would be broken without this pod.
func (a *API) violated(t txn, pod *corev1.Pod) string {
	for _, o := range t.list(pdbResource, pod.Namespace) {
		budget := o.(*policyv1.PodDisruptionBudget)
		allowed, covers := allowance(budget, t.list(podResource, pod.Namespace), pod)
		if covers && allowed <= 0 {
			return budget.Name
		}
	}
	return ""
}

func copyOf(object Object) Object { return object.DeepCopyObject().(Object) }

// copyField copies a field of the same name from one object to the other, if they have it.
func copyField(to, from Object, name string) bool {
	source := reflect.ValueOf(from).Elem().FieldByName(name)
	target := reflect.ValueOf(to).Elem().FieldByName(name)
	if !source.IsValid() || !target.IsValid() || source.Type() != target.Type() {
		return false
	}
	target.Set(source)
	return true
}

func sameSpec(a, b Object) bool { return sameField(a, b, "Spec") }

func sameField(a, b Object, name string) bool {
	x, y := reflect.ValueOf(a).Elem().FieldByName(name), reflect.ValueOf(b).Elem().FieldByName(name)
	return !x.IsValid() || !y.IsValid() || equality.Semantic.DeepEqual(x.Addr().Interface(), y.Addr().Interface())
}

func equalButVersion(a, b Object) bool {
	version := b.GetResourceVersion()
	b.SetResourceVersion(a.GetResourceVersion())
	equal := equality.Semantic.DeepEqual(a, b)
	b.SetResourceVersion(version)
	return equal
}

// ResourceOf is the resource of a kind, such as deployments of Deployment.
func ResourceOf(kind schema.GroupKind) schema.GroupResource {
	plural, _ := meta.UnsafeGuessKindToResource(kind.WithVersion("v1"))
	return plural.GroupResource()
}
