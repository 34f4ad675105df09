// Package keda decides as the KEDA operator does (v2.21): whether triggers are active, when a workload goes from none to its
// first replicas and back, what takes the place of a metric that cannot be read, and what HorizontalPodAutoscaler it makes. That
// one is acted on by Kubernetes' own controller, which asks this package for the metrics that it names.
//
// It is written to the rules of KEDA's sources, because its module cannot be imported beside Kubernetes 1.37. In short:
//
//   - Every pollingInterval all triggers are read. An active one takes a workload without replicas to max(1, minReplicaCount); when
//     none has been active for longer than cooldownPeriod, the workload goes to idleReplicaCount, or to none where
//     minReplicaCount is 0. Everything between is the HorizontalPodAutoscaler's.
//   - A trigger that cannot be read counts as a failure of its metric, whoever asked, the loop or the HorizontalPodAutoscaler. After
//     more failures than fallback.failureThreshold the metric is target × replicas of the fallback, and the trigger is active.
//   - Before that, failures keep a workload from going to zero, unless fallback.replicas is 0.
//
// Triggers of the types rabbitmq, cron, cpu and memory are known here. Scaling modifiers, pausing by annotation and
// ScaledJobs are not.
package keda
