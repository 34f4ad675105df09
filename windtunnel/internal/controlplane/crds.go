package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"k8s-scalers/windtunnel/internal/programs"
)

// A Scaler is an upstream project, most often an autoscaler, whose Go module has its custom resource definitions in it.
type Scaler struct {
	program programs.Program // whose go.mod pins the module
	module  string
	files   string // a pattern below the module's folder
}

// KEDA defines ScaledObject, ScaledJob and what belongs to them.
func KEDA() Scaler {
	return Scaler{programs.KEDAOperator(), "github.com/kedacore/keda/v2", "config/crd/bases/*.yaml"}
}

// VPA defines VerticalPodAutoscaler.
func VPA() Scaler {
	return Scaler{programs.VPARecommender(), "k8s.io/autoscaler/vertical-pod-autoscaler", "deploy/vpa-v1-crd-gen.yaml"}
}

// PrometheusAdapter defines nothing, but has the rights of its account.
func PrometheusAdapter() Scaler {
	return Scaler{programs.PrometheusAdapter(), "sigs.k8s.io/prometheus-adapter", ""}
}

// Karpenter defines NodePool, NodeClaim and NodeOverlay.
func Karpenter() Scaler {
	return Scaler{programs.KarpenterKwok(), "sigs.k8s.io/karpenter", "pkg/apis/crds/*.yaml"}
}

// KarpenterAWS defines EC2NodeClass.
func KarpenterAWS() Scaler {
	return Scaler{programs.KarpenterKwok(), "github.com/aws/karpenter-provider-aws", "pkg/apis/crds/karpenter.k8s.aws_*.yaml"}
}

// KarpenterKwok defines the node class of Karpenter's provider of pretended nodes.
func KarpenterKwok() Scaler {
	return Scaler{programs.KarpenterKwok(), "sigs.k8s.io/karpenter", "kwok/apis/crds/*.yaml"}
}

// The projects below are wanted for their definitions alone, so that their versions stand here and not in a go.mod, which
// would have to require everything that they do.

// GatewayAPI defines Gateway and HTTPRoute.
func GatewayAPI() Scaler {
	return Scaler{programs.KarpenterKwok(), "sigs.k8s.io/gateway-api@v1.4.1", "config/crd/standard/gateway.networking.k8s.io_*.yaml"}
}

// PrometheusOperator defines ServiceMonitor and PrometheusRule.
func PrometheusOperator() Scaler {
	return Scaler{programs.KarpenterKwok(), "github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/*_[ps]*s.yaml"}
}

// ExternalSecrets defines ExternalSecret and SecretStore.
func ExternalSecrets() Scaler {
	return Scaler{programs.KarpenterKwok(), "github.com/external-secrets/external-secrets@v1.3.2", "config/crds/bases/external-secrets.io_*.yaml"}
}

// InstallCRDs applies the custom resource definitions of projects.
func (c *Clients) InstallCRDs(ctx context.Context, scalers ...Scaler) error {
	for _, s := range scalers {
		objects, err := s.Objects(ctx)
		if err != nil {
			return err
		}
		if err := c.Apply(ctx, objects...); err != nil {
			return fmt.Errorf("definitions of %s: %w", s.module, err)
		}
	}
	return nil
}

// Objects returns the custom resource definitions.
func (s Scaler) Objects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	return s.Files(ctx, s.files)
}

// Files returns the objects in other files of the project's module.
func (s Scaler) Files(ctx context.Context, patterns ...string) ([]*unstructured.Unstructured, error) {
	dir, err := programs.ModuleDir(ctx, s.program, s.module)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err == nil && len(files) == 0 {
			err = os.ErrNotExist
		}
		if err != nil {
			return nil, fmt.Errorf("%s in module %s: %w", pattern, s.module, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			found, err := Decode(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			objects = append(objects, found...)
		}
	}
	return objects, nil
}
