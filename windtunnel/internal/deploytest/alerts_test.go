package deploytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestAlerts runs testdata/alerts.yaml, in which each alert has a case where it fires and one where it does not.
func TestAlerts(t *testing.T) {
	content, err := os.ReadFile("testdata/alerts.yaml")
	require.NoError(t, err)
	var test map[string]any
	require.NoError(t, yaml.Unmarshal(content, &test))
	promtool(t, test)

	fires := map[string]bool{}
	quiet := map[string]bool{}
	for _, c := range test["tests"].([]any) {
		for _, a := range c.(map[string]any)["alert_rule_test"].([]any) {
			a := a.(map[string]any)
			if alerts, _ := a["exp_alerts"].([]any); len(alerts) > 0 {
				fires[a["alertname"].(string)] = true
			} else {
				quiet[a["alertname"].(string)] = true
			}
		}
	}
	var rule struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert       string
					Annotations map[string]string
				}
			}
		}
	}
	read(t, "monitoring/prometheusrule.yaml", &rule)
	for _, g := range rule.Spec.Groups {
		for _, r := range g.Rules {
			require.True(t, fires[r.Alert], "%s never fires in the test", r.Alert)
			require.True(t, quiet[r.Alert], "%s always fires in the test", r.Alert)
			require.NotEmpty(t, r.Annotations["summary"])
			require.NotEmpty(t, r.Annotations["action"])
		}
	}
}

// TestQueriesOfDashboardsAreRight has Prometheus parse them, as rules.
func TestQueriesOfDashboardsAreRight(t *testing.T) {
	var rules []map[string]string
	for where, exprs := range queries(t) {
		for _, e := range exprs {
			rules = append(rules, map[string]string{"record": "test:expr", "expr": e, "labels": ""})
			require.NotEmpty(t, where)
		}
	}
	for _, r := range rules {
		delete(r, "labels")
	}
	dir := t.TempDir()
	// Each in a group of its own, because promtool refuses duplicates.
	var groups []map[string]any
	for i, r := range rules {
		r["record"] = "test:expr" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		groups = append(groups, map[string]any{"name": r["record"], "rules": []any{r}})
	}
	writeYAML(t, filepath.Join(dir, "rules.yaml"), map[string]any{"groups": groups})
	run(t, dir, "check", "rules", "rules.yaml")
}
