package cluster

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
)

// Cluster is the API with what controllers need to reach it.
type Cluster struct {
	*API
	// Client is what controllers write through, Informers what they read from.
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory

	fake *fake.Clientset
}

// New makes an empty cluster. It belongs to the bubble in which it is made.
func New(scheme *runtime.Scheme) *Cluster {
	api := newAPI(scheme)
	client := clientset(api)
	return &Cluster{API: api, Client: paced{client, api}, Informers: informers.NewSharedInformerFactory(client, 0), fake: client}
}

// Disturb lets disturb be called wherever one goroutine may overtake another: before each use of the API, and before each event of a watch.
// It is for tests, whose disturb loses time by chance; nothing may depend on it. It must be called before the informers start.
func (c *Cluster) Disturb(disturb func()) { c.store.disturb = disturb }

// Admit lets change see every pod that is about to be created, as a mutating webhook does.
func (c *Cluster) Admit(change func(pod Object)) {
	c.admit = append(c.admit, change)
}

// Forget drops the log of calls that the fake clientset keeps for tests, which would grow for ever.
func (c *Cluster) Forget() { c.fake.ClearActions() }
