// Package hpa runs Kubernetes' own HorizontalController, Deployment controller and ReplicaSet controller, unmodified, over a
// cluster in memory. It only wires: what it gives them is the metrics pipeline of the model and the scale of Deployments.
package hpa

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/replicaset"

	"k8s-scalers/windtunnel/cluster"
	"k8s-scalers/windtunnel/metrics"
)

// The defaults of kube-controller-manager 1.37.
const (
	syncPeriod            = 15 * time.Second
	downscaleWindow       = 5 * time.Minute
	tolerance             = 0.1
	cpuInitialization     = 5 * time.Minute
	initialReadinessDelay = 30 * time.Second
	burstReplicas         = 500
)

// Run starts the controllers. The informers of the cluster must be started afterwards, and the returned function waits until
// the controllers have ended, once ctx has.
//
// Each controller gets one worker, so that what it does at one moment has one order.
func Run(ctx context.Context, c *cluster.Cluster, pipeline *metrics.Pipeline, external External, scales cluster.Scales) (start func(), wait func(), err error) {
	apps, pods := c.Informers.Apps().V1(), c.SortedPods()
	horizontal := podautoscaler.NewHorizontalController(ctx, c.Client.CoreV1(), scales, c.Client.AutoscalingV2(), cluster.Mapper(),
		client{pipeline, external}, c.Informers.Autoscaling().V2().HorizontalPodAutoscalers(), pods,
		syncPeriod, downscaleWindow, tolerance, cpuInitialization, initialReadinessDelay)
	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), pods, c.Client)
	if err != nil {
		return nil, nil, fmt.Errorf("make the Deployment controller: %w", err)
	}
	replicaSets := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), pods, c.Client, burstReplicas)
	var running sync.WaitGroup
	start = func() {
		running.Go(func() { horizontal.Run(c.InTurn(ctx, "horizontalpodautoscaler"), 1) })
		running.Go(func() { deployments.Run(c.InTurn(ctx, "deployment"), 1) })
		running.Go(func() { replicaSets.Run(c.InTurn(ctx, "replicaset"), 1) })
	}
	return start, running.Wait, nil
}
