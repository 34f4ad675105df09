package lint

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"k8s-scalers/windtunnel/manifest"
)

// misplaced says where fields belong that are often put elsewhere.
var misplaced = map[string]string{
	"spec.scaleUp":                    "Move it below spec.behavior.",
	"spec.scaleDown":                  "Move it below spec.behavior.",
	"spec.stabilizationWindowSeconds": "Move it below spec.behavior.scaleUp or spec.behavior.scaleDown.",
	"spec.targetCPUUtilizationPercentage": "That is autoscaling/v1; in autoscaling/v2 write spec.metrics with type: Resource, name: cpu and " +
		"target.averageUtilization.",
	"spec.behavior": "For KEDA, move it below spec.advanced.horizontalPodAutoscalerConfig.",
}

func schemaErrors(s *set) []Finding {
	var all []Finding
	for _, o := range s.all {
		problems, err := manifest.Check(o)
		if err != nil {
			if !errors.Is(err, manifest.ErrUnknownKind) && !isRetired(o) {
				all = append(all, Finding{
					Message: fmt.Sprintf("%s cannot be checked: %v", o.Ref(), err),
					Why:     "The API server refuses a version that it does not serve.",
					Fix:     "Write it for a version that is served.",
					Places:  []Place{at(o, "apiVersion")},
				})
			}
			continue
		}
		for _, p := range problems {
			fix := "Correct the field; `kubectl explain` shows what there is."
			if where, ok := misplaced[p.Path]; ok {
				fix = where
			}
			message := fmt.Sprintf("%s: %s: %s", o.Ref(), p.Path, p.Message)
			if p.Path == "" {
				message = fmt.Sprintf("%s: %s", o.Ref(), p.Message)
			}
			all = append(all, Finding{
				Message: message,
				Why:     "A strict API server refuses it; another one drops the field without a word, and the default applies.",
				Fix:     fix,
				Places:  []Place{at(o, manifest.ParsePath(p.Path)...)},
			})
		}
	}
	return all
}

// duplicates are objects of one name in several folders: the one that is applied last wins.
func duplicates(s *set) []Finding {
	var all []Finding
	for i, o := range s.all {
		for _, earlier := range s.all[:i] {
			if o.GroupVersionKind().GroupKind() != earlier.GroupVersionKind().GroupKind() || o.GetName() != earlier.GetName() ||
				!sameNamespace(o.GetNamespace(), earlier.GetNamespace()) || reflect.DeepEqual(o.Object, earlier.Object) {
				continue
			}
			first, second := earlier.Folder, o.Folder
			if first == second {
				first, second = earlier.Position().File, o.Position().File
			}
			all = append(all, Finding{
				Message: fmt.Sprintf("%s is defined twice, in %s and in %s, and differently", o.Ref(), first, second),
				Why:     "They are one object: what is applied last replaces the other.",
				Fix:     fmt.Sprintf("Apply only one of %s and %s.", first, second),
				Places:  []Place{at(earlier), at(o)},
			})
		}
	}
	return all
}

func isRetired(o *manifest.Object) bool {
	group, version, _ := strings.Cut(o.GetAPIVersion(), "/")
	switch group {
	case "karpenter.sh", "karpenter.k8s.aws":
		return strings.HasPrefix(version, "v1alpha") || o.GetKind() == "Provisioner" || o.GetKind() == "AWSNodeTemplate"
	case "autoscaling":
		return strings.HasPrefix(version, "v2beta")
	case "autoscaling.k8s.io":
		return strings.HasPrefix(version, "v1beta")
	}
	return false
}

func retiredKinds(s *set) []Finding {
	var all []Finding
	for _, o := range s.all {
		if !isRetired(o) {
			continue
		}
		fix := "Write it as " + strings.SplitN(o.GetAPIVersion(), "/", 2)[0] + "/v1."
		switch {
		case strings.HasPrefix(o.GetAPIVersion(), "karpenter"):
			fix = "Write a NodePool of karpenter.sh/v1, and an EC2NodeClass of karpenter.k8s.aws/v1 for what is AWS's own."
		case o.GetKind() == "HorizontalPodAutoscaler":
			fix = "Write it as autoscaling/v2."
		}
		all = append(all, Finding{
			Message: fmt.Sprintf("%s is of %s, which is not served any more", o.Ref(), o.GetAPIVersion()),
			Why:     "The API server has no such kind and refuses it.",
			Fix:     fix,
			Places:  []Place{at(o, "apiVersion")},
		})
	}
	return all
}
