package lint

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s-scalers/windtunnel/manifest"
)

// Severity says how sure it is that a finding does harm.
type Severity string

// Severities. An error is refused by the server or certain to go wrong; a warning goes wrong unless something holds that the
// manifests do not tell.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one mistake.
type Finding struct {
	Rule     string
	Severity Severity
	Message  string // what is wrong
	Why      string // what will happen
	Fix      string // what to do
	Places   []Place
}

// Place is an object that takes part in a mistake, and the field that is to blame.
type Place struct {
	Object   *manifest.Object
	Position manifest.Position
}

// rule is one kind of mistake. It looks at everything that is applied together.
type rule struct {
	name  string
	check func(s *set) []Finding
}

// rules are all of them, in the order of the documentation.
func rules() []rule {
	return []rule{
		{"schema", schemaErrors},
		{"duplicate", duplicates},
		{"retired-kind", retiredKinds},
		{"target-missing", missingTargets},
		{"hpa-hpa", twoHPAs},
		{"keda-hpa", kedaAndHPA},
		{"hpa-vpa", hpaAndVPA},
		{"vpa-vpa", twoVPAs},
		{"cpa-hpa", cpaAndHPA},
		{"cas-karpenter", casAndKarpenter},
		{"missing-requests", missingRequests},
		{"replicas", replicasUnderScaler},
		{"min-replicas-zero", zeroWithoutOutsideMetric},
		{"scale-up-window", waitingScaleUp},
		{"keda-unacked", unackedNotCounted},
		{"keda-fallback", fallbackToZero},
		{"keda-cooldown", cooldownWithoutZero},
		{"grace-period", shortGracePeriod},
		{"adapter-template", adapterTemplates},
		{"vpa-auto", deprecatedAuto},
		{"vpa-memory-floor", memoryBelowFloor},
		{"vpa-singleton", singletonNeverUpdated},
		{"karpenter-churn", churningNodePool},
		{"karpenter-spot", spotWithoutQueue},
		{"cas-nodes", listedNodeGroups},
	}
}

// Rules are the names of all rules.
func Rules() []string {
	var names []string
	for _, r := range rules() {
		names = append(names, r.name)
	}
	return names
}

// Check returns the mistakes in objects that will be applied together, by file and line.
func Check(objects []*manifest.Object) []Finding {
	s := newSet(objects)
	var all []Finding
	for _, r := range rules() {
		for _, f := range r.check(s) {
			f.Rule = r.name
			if f.Severity == "" {
				f.Severity = Error
			}
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		pa, pb := a.Places[0].Position, b.Places[0].Position
		return cmp.Or(cmp.Compare(pa.File, pb.File), cmp.Compare(pa.Line, pb.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

// Unknown are the objects that could not be checked against a schema, because there is none here.
func Unknown(objects []*manifest.Object) []*manifest.Object {
	var unknown []*manifest.Object
	for _, o := range objects {
		if _, err := manifest.Check(o); errors.Is(err, manifest.ErrUnknownKind) && !isRetired(o) {
			unknown = append(unknown, o)
		}
	}
	return unknown
}

// Write writes findings as text for people: the place first, as compilers do.
func Write(w io.Writer, findings []Finding) error {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s: %s: %s [%s]\n", f.Places[0].Position, f.Severity, f.Message, f.Rule)
		for _, p := range f.Places[1:] {
			fmt.Fprintf(&b, "    and: %s: %s\n", p.Position, p.Object.Ref())
		}
		fmt.Fprintf(&b, "    why: %s\n    fix: %s\n", f.Why, f.Fix)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}

// at is a place of an object; the path is that of the field.
func at(o *manifest.Object, path ...any) Place {
	return Place{o, o.Position(path...)}
}
