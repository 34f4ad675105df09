package keda

import (
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ScaledObject is the kind of keda.sh/v1alpha1 as it stands in manifests.
type ScaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec `json:"spec"`
}

// Spec of a ScaledObject. What is not set has the default that its methods give.
type Spec struct {
	ScaleTargetRef        Target    `json:"scaleTargetRef"`
	PollingInterval       *int32    `json:"pollingInterval,omitempty"`
	InitialCooldownPeriod *int32    `json:"initialCooldownPeriod,omitempty"`
	CooldownPeriod        *int32    `json:"cooldownPeriod,omitempty"`
	IdleReplicaCount      *int32    `json:"idleReplicaCount,omitempty"`
	MinReplicaCount       *int32    `json:"minReplicaCount,omitempty"`
	MaxReplicaCount       *int32    `json:"maxReplicaCount,omitempty"`
	Advanced              *Advanced `json:"advanced,omitempty"`
	Triggers              []Trigger `json:"triggers"`
	Fallback              *Fallback `json:"fallback,omitempty"`
}

// Target is what is scaled; a Deployment where nothing else is said.
type Target struct {
	Name                   string `json:"name"`
	APIVersion             string `json:"apiVersion,omitempty"`
	Kind                   string `json:"kind,omitempty"`
	EnvSourceContainerName string `json:"envSourceContainerName,omitempty"`
}

// Advanced is settings of the HorizontalPodAutoscaler, and what is not known here.
type Advanced struct {
	HorizontalPodAutoscalerConfig *HPAConfig        `json:"horizontalPodAutoscalerConfig,omitempty"`
	RestoreToOriginalReplicaCount bool              `json:"restoreToOriginalReplicaCount,omitempty"`
	ScalingModifiers              map[string]string `json:"scalingModifiers,omitempty"`
}

// HPAConfig is passed on to the HorizontalPodAutoscaler.
type HPAConfig struct {
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	Name     string                                         `json:"name,omitempty"`
}

// Trigger is one thing to scale by.
type Trigger struct {
	Type              string                         `json:"type"`
	Name              string                         `json:"name,omitempty"`
	UseCachedMetrics  bool                           `json:"useCachedMetrics,omitempty"`
	Metadata          map[string]string              `json:"metadata"`
	AuthenticationRef *AuthenticationRef             `json:"authenticationRef,omitempty"`
	MetricType        autoscalingv2.MetricTargetType `json:"metricType,omitempty"`
}

// AuthenticationRef names credentials, which the model of a queue does not need.
type AuthenticationRef struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
}

// Fallback is what holds while metrics cannot be read.
type Fallback struct {
	FailureThreshold int32  `json:"failureThreshold"`
	Replicas         int32  `json:"replicas"`
	Behavior         string `json:"behavior,omitempty"`
}

// Behaviors of a fallback. Static is the one without a name, too.
const (
	Static                  = "static"
	CurrentReplicas         = "currentReplicas"
	CurrentReplicasIfHigher = "currentReplicasIfHigher"
	CurrentReplicasIfLower  = "currentReplicasIfLower"
)

const (
	defaultPolling   = 30
	defaultCooldown  = 300
	defaultMaximum   = 100
	ownerLabel       = "scaledobject.keda.sh/name"
	annotationPrefix = "autoscaling.keda.sh/"
)

func (s *Spec) polling() time.Duration  { return seconds(s.PollingInterval, defaultPolling) }
func (s *Spec) cooldown() time.Duration { return seconds(s.CooldownPeriod, defaultCooldown) }

// initialCooldown holds as long as no trigger has been active since the ScaledObject was created.
func (s *Spec) initialCooldown() time.Duration { return seconds(s.InitialCooldownPeriod, 0) }

// Min is the smallest number of replicas while no trigger is active and there is no idleReplicaCount.
func (s *Spec) Min() int32 { return value(s.MinReplicaCount, 0) }

// Max is the largest number of replicas.
func (s *Spec) Max() int32 { return value(s.MaxReplicaCount, defaultMaximum) }

// pollsMatter tells whether the loop can do anything that the HorizontalPodAutoscaler cannot. If not, the loop takes what that one
// has seen and does not read the triggers itself.
func (s *Spec) pollsMatter() bool {
	if s.Min() == 0 || s.IdleReplicaCount != nil {
		return true
	}
	for _, t := range s.Triggers {
		if t.UseCachedMetrics {
			return true
		}
	}
	return false
}

// check finds what KEDA refuses, and what is not known here.
func (s *ScaledObject) check() error {
	for name := range s.Annotations {
		if strings.HasPrefix(name, annotationPrefix) {
			return &SpecError{[]any{"metadata", "annotations", name}, "pausing and forcing by annotation are not modelled"}
		}
	}
	spec := &s.Spec
	if a := spec.Advanced; a != nil && len(a.ScalingModifiers) > 0 {
		return &SpecError{[]any{"spec", "advanced", "scalingModifiers"}, "scaling modifiers are not modelled"}
	}
	if kind := spec.ScaleTargetRef.Kind; kind != "" && kind != "Deployment" {
		return &SpecError{[]any{"spec", "scaleTargetRef", "kind"}, "only Deployments are modelled"}
	}
	lower := int32(0)
	if spec.MinReplicaCount != nil {
		lower = max(1, spec.Min())
	}
	if lower > spec.Max() {
		return &SpecError{[]any{"spec", "minReplicaCount"}, fmt.Sprintf("minReplicaCount %d is above maxReplicaCount %d", spec.Min(), spec.Max())}
	}
	if idle := spec.IdleReplicaCount; idle != nil && *idle >= lower {
		return &SpecError{[]any{"spec", "idleReplicaCount"}, fmt.Sprintf("idleReplicaCount %d must be below minReplicaCount", *idle)}
	}
	if f := spec.Fallback; f != nil {
		switch f.Behavior {
		case "", Static, CurrentReplicas, CurrentReplicasIfHigher, CurrentReplicasIfLower:
		default:
			return &SpecError{[]any{"spec", "fallback", "behavior"}, fmt.Sprintf("the behavior %q is not modelled", f.Behavior)}
		}
	}
	if len(spec.Triggers) == 0 {
		return &SpecError{[]any{"spec", "triggers"}, "expected at least one trigger"}
	}
	return nil
}

// SpecError is why a ScaledObject cannot be acted on. Path leads to the field.
type SpecError struct {
	Path []any
	Text string
}

func (e *SpecError) Error() string { return e.Text }

func seconds(v *int32, normal int32) time.Duration {
	return time.Duration(value(v, normal)) * time.Second
}

func value(v *int32, normal int32) int32 {
	if v == nil {
		return normal
	}
	return *v
}
