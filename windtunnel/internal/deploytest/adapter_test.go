package deploytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// adapterRule is a rule of prometheus-adapter.
type adapterRule struct {
	SeriesQuery string
	Resources   struct {
		Overrides map[string]struct{ Resource string }
	}
	Name         struct{ As string }
	MetricsQuery string
	external     bool
}

func adapterRules(t *testing.T) []adapterRule {
	t.Helper()
	var values struct {
		Rules struct{ Custom, External []adapterRule }
	}
	read(t, "addons/values/prometheus-adapter.yaml", &values)
	all := values.Rules.Custom
	for _, r := range values.Rules.External {
		r.external = true
		all = append(all, r)
	}
	require.NotEmpty(t, all)
	return all
}

// query fills in the template as prometheus-adapter does: the series, matchers for the namespace and the objects that are asked
// for, and the label of their kind to group by. The program itself is not published as a module that still builds, so this
// follows the documentation of its configuration.
func (r adapterRule) query(groupBy string, namespace string, objects ...string) string {
	series, _, _ := strings.Cut(r.SeriesQuery, "{")
	matchers := fmt.Sprintf("namespace=%q", namespace)
	if len(objects) > 0 {
		matchers += fmt.Sprintf(",%s=~%q", groupBy, strings.Join(objects, "|"))
	}
	return strings.NewReplacer("<<.Series>>", series, "<<.LabelMatchers>>", matchers, "<<.GroupBy>>", groupBy).Replace(r.MetricsQuery)
}

func TestAdapterRulesAreWellFormed(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(deploy, "addons/values/prometheus-adapter.yaml"))
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(content), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			require.NotContains(t, line, "{{", "the templates of prometheus-adapter are << >>")
		}
	}
	for _, r := range adapterRules(t) {
		require.NotContains(t, r.query("namespace", "captions"), "<<", "no other template is used")
		for label, o := range r.Resources.Overrides {
			require.Equal(t, label, o.Resource)
			require.Contains(t, r.SeriesQuery, label+`!=""`, "a series without the label cannot be found by its object")
		}
	}
}

// TestAdapterRulesGiveWhatTheHPAsTake evaluates the queries with Prometheus' own engine over series as our ServiceMonitors label them.
func TestAdapterRulesGiveWhatTheHPAsTake(t *testing.T) {
	rules := map[string]adapterRule{}
	for _, r := range adapterRules(t) {
		rules[r.Name.As] = r
	}
	series := func(name, labels, values string) map[string]string {
		return map[string]string{"series": name + "{" + labels + "}", "values": values}
	}
	pod := func(p, service, own string) string {
		return fmt.Sprintf(`namespace="captions",pod="%s",service="%s",exported_service="%s"`, p, service, own)
	}
	// Two pods of 30 and 10 requests a second over two routes, one of another namespace.
	input := []map[string]string{
		series("captions_http_request_duration_seconds_count", pod("auth-a", "auth-service", "auth")+`,route="a",status="2xx"`, "0+300x40"),
		series("captions_http_request_duration_seconds_count", pod("auth-a", "auth-service", "auth")+`,route="b",status="5xx"`, "0+150x40"),
		series("captions_http_request_duration_seconds_count", pod("auth-b", "auth-service", "auth")+`,route="a",status="2xx"`, "0+150x40"),
		series("captions_http_request_duration_seconds_count", strings.Replace(pod("auth-a", "auth-service", "auth"), `"captions"`, `"other"`, 1), "0+900x40"),
		series("captions_http_requests_in_flight", pod("auth-a", "auth-service", "auth"), "3x40"),
		series("captions_http_requests_in_flight", pod("auth-b", "auth-service", "auth"), "4x40"),
		series("captions_auth_password_hashes_total", pod("auth-a", "auth-service", "auth"), "0+60x40"),
		series("captions_auth_password_hashes_total", pod("auth-b", "auth-service", "auth"), "0+30x40"),
		series("captions_uploads_total", pod("upload-a", "upload-service", "upload")+`,event="created"`, "0+30x40"),
		series("captions_uploads_total", pod("upload-a", "upload-service", "upload")+`,event="completed"`, "0+300x40"),
		series("captions_gateway_websockets", pod("gateway-a", "gateway-service", "gateway"), "700x40"),
		series("captions_gateway_websockets", pod("gateway-b", "gateway-service", "gateway"), "500x40"),
		series("captions_event_subscribers", pod("caption-a", "caption-service", "caption"), "900x40"),
	}
	expr := func(metric, groupBy, want string, value float64, objects ...string) map[string]any {
		return map[string]any{"expr": rules[metric].query(groupBy, "captions", objects...), "eval_time": "9m",
			"exp_samples": []map[string]any{{"labels": want, "value": value}}}
	}
	both := map[string]any{"expr": rules["captions_http_requests_per_second"].query("pod", "captions", "auth-a", "auth-b"), "eval_time": "9m",
		"exp_samples": []map[string]any{{"labels": `{pod="auth-a"}`, "value": 30}, {"labels": `{pod="auth-b"}`, "value": 10}}}
	promtool(t, map[string]any{
		"evaluation_interval": "15s",
		"tests": []any{map[string]any{"interval": "15s", "input_series": input, "promql_expr_test": []any{
			both,
			expr("captions_http_requests_per_second", "service", `{service="auth-service"}`, 40, "auth-service"),
			expr("captions_http_requests_in_flight", "service", `{service="auth-service"}`, 7, "auth-service"),
			expr("captions_auth_password_hashes_per_second", "namespace", `{namespace="captions"}`, 6),
			expr("captions_uploads_created_per_second", "namespace", `{namespace="captions"}`, 2),
			expr("captions_gateway_websockets", "namespace", `{namespace="captions"}`, 1200),
			expr("captions_event_subscribers", "namespace", `{namespace="captions"}`, 900),
		}}},
	})
	require.Len(t, rules, 6, "each is tried above")
}

// promtool runs a test of rules, with the alerts beside it.
func promtool(t *testing.T, test map[string]any) {
	t.Helper()
	dir := t.TempDir()
	var rule struct{ Spec map[string]any }
	read(t, "monitoring/prometheusrule.yaml", &rule)
	writeYAML(t, filepath.Join(dir, "rules.yaml"), rule.Spec)
	test["rule_files"] = []string{"rules.yaml"}
	writeYAML(t, filepath.Join(dir, "test.yaml"), test)
	run(t, dir, "check", "rules", "rules.yaml")
	run(t, dir, "test", "rules", "test.yaml")
}

func writeYAML(t *testing.T, path string, v any) {
	t.Helper()
	content, err := yaml.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "run: scripts/setup.sh monitoring")
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
