package node

import (
	"context"

	"k8s-scalers/windtunnel/internal/controlplane"
	"k8s-scalers/windtunnel/internal/programs"
)

// Autoscaler is one that runs on the node, beside the control plane rather than in pods, so that it needs no image.
type Autoscaler struct {
	programs []programs.Program
	start    func(context.Context, *controlplane.ControlPlane) error
}

// Autoscalers are those that can be asked for, by their names. Prometheus comes with the adapter by which HPAs read from it.
var Autoscalers = map[string]Autoscaler{
	"keda": {
		[]programs.Program{programs.KEDAOperator(), programs.KEDAAdapter()},
		func(ctx context.Context, cp *controlplane.ControlPlane) error { return cp.StartKEDA(ctx) },
	},
	"vpa": {
		[]programs.Program{programs.VPAAdmission(), programs.VPARecommender(), programs.VPAUpdater()},
		func(ctx context.Context, cp *controlplane.ControlPlane) error { return cp.StartVPA(ctx) },
	},
	"prometheus": {
		[]programs.Program{programs.PrometheusAdapter()},
		func(ctx context.Context, cp *controlplane.ControlPlane) error { return cp.StartPrometheus(ctx) },
	},
}
