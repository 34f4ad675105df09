package lint

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// wrongTemplate are the usual delimiters of Go templates, which prometheus-adapter does not use.
var wrongTemplate = regexp.MustCompile(`\{\{\s*\.?\w+\s*\}\}`)

// adapterTemplates looks at ConfigMaps that hold rules of prometheus-adapter.
func adapterTemplates(s *set) []Finding {
	var all []Finding
	for _, o := range s.all {
		if o.GetKind() != "ConfigMap" {
			continue
		}
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		for key, text := range data {
			if !strings.Contains(text, "seriesQuery") {
				continue
			}
			for _, wrong := range wrongTemplate.FindAllString(text, -1) {
				all = append(all, Finding{
					Message: fmt.Sprintf("%s: the rules of prometheus-adapter in %s use %s", o.Ref(), key, wrong),
					Why:     "It is sent to Prometheus as it is, the query fails, and the HPA has no metric.",
					Fix:     "The templates are <<.Series>>, <<.LabelMatchers>> (namespaces and objects are in it) and <<.GroupBy>>.",
					Places:  []Place{at(o, "data", key)},
				})
			}
		}
	}
	return all
}
