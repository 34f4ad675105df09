package deploytest

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// wellKnown are metrics of others: kube-state-metrics, the kubelet, KEDA, Karpenter, Prometheus itself, and those that
// addons/values/prometheus.yaml defines.
var wellKnown = []string{
	"up",
	"container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
	"kube_horizontalpodautoscaler_spec_max_replicas", "kube_horizontalpodautoscaler_spec_min_replicas",
	"kube_horizontalpodautoscaler_spec_target_metric", "kube_horizontalpodautoscaler_status_target_metric",
	"kube_horizontalpodautoscaler_status_condition", "kube_horizontalpodautoscaler_status_current_replicas",
	"kube_horizontalpodautoscaler_status_desired_replicas",
	"kube_node_labels", "kube_pod_container_resource_requests", "kube_pod_status_phase",
	"kube_customresource_vpa_recommendation_cpu", "kube_customresource_vpa_recommendation_memory",
	"keda_scaler_active", "keda_scaler_detail_errors_total", "keda_scaler_metrics_value",
	"karpenter_nodeclaims_created_total", "karpenter_nodepools_cost_total", "karpenter_nodepools_limit", "karpenter_nodepools_usage",
	"karpenter_voluntary_disruption_decisions_total",
}

// ours are the metrics that the services declare, with their labels, as their source says.
func ours(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	require.NoError(t, filepath.WalkDir("../../../internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				declared(call, all)
			}
			return true
		})
		return nil
	}))
	require.Greater(t, len(all), 15)
	return all
}

// declared notes the metric that a call such as prometheus.NewCounterVec declares.
func declared(call *ast.CallExpr, all map[string][]string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !strings.HasPrefix(fun.Sel.Name, "New") || len(call.Args) == 0 {
		return
	}
	var name string
	var labels []string
	for _, arg := range call.Args {
		lit, ok := arg.(*ast.CompositeLit)
		if !ok {
			if basic, ok := arg.(*ast.BasicLit); ok && name == "" {
				name = text(basic)
			}
			continue
		}
		for _, e := range lit.Elts {
			switch e := e.(type) {
			case *ast.KeyValueExpr:
				if key, ok := e.Key.(*ast.Ident); ok && key.Name == "Name" {
					name = text(e.Value)
				}
			case *ast.BasicLit:
				labels = append(labels, text(e))
			}
		}
	}
	if !strings.HasPrefix(name, "captions_") {
		return
	}
	if strings.Contains(fun.Sel.Name, "Histogram") {
		for _, suffix := range []string{"_count", "_sum"} {
			all[name+suffix] = labels
		}
		all[name+"_bucket"] = append(slices.Clone(labels), "le")
		return
	}
	all[name] = labels
}

func text(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		s, _ := strconv.Unquote(lit.Value)
		return s
	}
	return ""
}

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	selector = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:\{([^}]*)\})?(\s*\()?`)
	labelKey = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)`)
	keywords = []string{"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
)

// metricsOf are the metrics in a query, each with the labels that it is selected by.
func metricsOf(query string) map[string][]string {
	plain := ranges.ReplaceAllString(quoted.ReplaceAllString(grouping.ReplaceAllString(query, " "), `""`), "")
	found := map[string][]string{}
	for _, m := range selector.FindAllStringSubmatch(plain, -1) {
		if m[3] != "" || slices.Contains(keywords, m[1]) { // a function, or a word of the language
			continue
		}
		labels := found[m[1]]
		for _, l := range labelKey.FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		found[m[1]] = labels
	}
	return found
}

func TestMetricsOfAQuery(t *testing.T) {
	require.Equal(t, map[string][]string{"a_total": {"x", "y"}, "b": nil},
		metricsOf(`sum by (z) (rate(a_total{x="1", y!~"b|c{}"}[5m])) / on (z) group_left () b > 0.5`))
}

// queries are all that we ask Prometheus, by where.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	var rule struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
	}
	read(t, "monitoring/prometheusrule.yaml", &rule)
	for _, g := range rule.Spec.Groups {
		for _, r := range g.Rules {
			all["alert "+r.Alert] = append(all["alert "+r.Alert], r.Expr)
		}
	}
	dashboards, err := filepath.Glob(filepath.Join(deploy, "monitoring/dashboards/*.json"))
	require.NoError(t, err)
	require.Len(t, dashboards, 2)
	for _, path := range dashboards {
		var d struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, &d))
		for _, p := range d.Panels {
			require.NotEmpty(t, p.Targets)
			for _, target := range p.Targets {
				all["panel "+p.Title] = append(all["panel "+p.Title], strings.NewReplacer("$namespace", "captions", "$hpa", ".*").Replace(target.Expr))
			}
		}
	}
	for _, r := range adapterRules(t) {
		all["adapter "+r.Name.As] = append(all["adapter "+r.Name.As], r.SeriesQuery, r.query("namespace", "captions"))
	}
	return all
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy, path))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, into))
}

func TestEveryMetricThatIsAskedForIsExported(t *testing.T) {
	declared := ours(t)
	// What Prometheus adds to each series: labels of the target, the metric's own "service" out of their way.
	target := []string{"namespace", "pod", "service", "job", "instance", "container", "endpoint", "exported_service"}
	asked := 0
	for where, exprs := range queries(t) {
		for _, expr := range exprs {
			found := metricsOf(expr)
			require.NotEmpty(t, found, "%s: %s", where, expr)
			for metric, labels := range found {
				asked++
				own, ok := declared[metric]
				if !ok {
					require.Contains(t, wellKnown, metric, "%s asks for a metric that nobody exports: %s", where, expr)
					continue
				}
				for _, l := range labels {
					require.Contains(t, append(slices.Clone(own), target...), l, "%s selects %s by a label that it does not have", where, metric)
				}
			}
		}
	}
	require.Greater(t, asked, 60)
}

// TestEveryMetricOfAnHPAHasARule goes through the policies.
func TestEveryMetricOfAnHPAHasARule(t *testing.T) {
	custom, external := map[string]bool{}, map[string]bool{}
	for _, r := range adapterRules(t) {
		if r.external {
			external[r.Name.As] = true
		} else {
			custom[r.Name.As] = true
		}
	}
	paths, err := filepath.Glob(filepath.Join(deploy, "HPA/*/*/hpa.yaml"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(deploy, "HPA/*/pod-metric/*/hpa.yaml"))
	require.NoError(t, err)
	paths = append(paths, more...)
	require.Len(t, paths, 12)
	for _, path := range paths {
		var h struct {
			Spec struct {
				Metrics []map[string]any
			}
		}
		rel, err := filepath.Rel(deploy, path)
		require.NoError(t, err)
		read(t, rel, &h)
		for _, m := range h.Spec.Metrics {
			kind := m["type"].(string)
			source := m[map[string]string{"Pods": "pods", "Object": "object", "External": "external"}[kind]].(map[string]any)
			name := source["metric"].(map[string]any)["name"].(string)
			if kind == "External" {
				require.True(t, external[name], "%s: there is no external rule for %s", path, name)
			} else {
				require.True(t, custom[name], "%s: there is no rule for %s", path, name)
			}
		}
	}
}
