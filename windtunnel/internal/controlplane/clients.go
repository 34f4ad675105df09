package controlplane

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Clients are an administrator's ways to the API server.
type Clients struct {
	Config  *rest.Config
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	mapper  apimeta.ResettableRESTMapper

	mu       sync.Mutex
	warnings []string
}

// NewClients returns those of a kubeconfig, also of another control plane than one of [Start].
func NewClients(kubeconfig string) (*Clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("clients of the control plane: %w", err)
	}
	// Tests do in a second what people do in an hour, and mean to.
	config.QPS, config.Burst = 1000, 1000
	c := &Clients{Config: config}
	config.WarningHandlerWithContext = c
	if c.Kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("clients of the control plane: %w", err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("clients of the control plane: %w", err)
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.Kube.Discovery()))
	return c, nil
}

// ServiceAccountKubeconfig writes a kubeconfig with a token of an account, which must exist, and returns its path. A
// program that runs with it has the rights that a pod of that account has, and no more.
func (cp *ControlPlane) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	const day = 24 * 60 * 60
	token, err := cp.Kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(day))},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of account %s in %s: %w", name, namespace, err)
	}
	config := cp.pki.config(cp.Config.Host, &clientcmdapi.AuthInfo{Token: token.Status.Token})
	config.Contexts[config.CurrentContext].Namespace = namespace
	path := filepath.Join(cp.Dir, namespace+"-"+name+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("kubeconfig of account %s in %s: %w", name, namespace, err)
	}
	return path, nil
}

// UserKubeconfig writes a kubeconfig with a certificate of a user in groups, and returns its path: for parts of nodes, which
// have no accounts of services.
func (cp *ControlPlane) UserKubeconfig(name string, groups ...string) (string, error) {
	config, err := cp.pki.kubeconfig(cp.Config.Host, user{name, groups})
	if err != nil {
		return "", fmt.Errorf("certificate of %s: %w", name, err)
	}
	path := filepath.Join(cp.Dir, strings.ReplaceAll(name, ":", "-")+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", name, err)
	}
	return path, nil
}

// HandleWarningHeaderWithContext notes what the API server warns of.
func (c *Clients) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.warnings, text) {
		c.warnings = append(c.warnings, text)
	}
}

// Warnings returns what the API server has warned of since it was called last, such as versions that will go, or pods
// that their namespace will not take.
func (c *Clients) Warnings() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	warnings := c.warnings
	c.warnings = nil
	return warnings
}
