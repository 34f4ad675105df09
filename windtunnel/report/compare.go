package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	_ "embed"
)

// Comparison is several policies under the same load, each run with the same seeds.
type Comparison struct {
	Scenario string   `json:"scenario"`
	Seeds    []uint64 `json:"seeds"`
	// Planned is how many seeds were asked for; fewer were run where it was stopped.
	Planned  int           `json:"planned_seeds"`
	Policies []string      `json:"policies"`
	Measures []Measurement `json:"measures"`
	// Notes are warnings of runs, with the policy in front.
	Notes []Note `json:"notes"`
}

// Measurement is one figure under each policy. The first policy is what the others are compared with.
type Measurement struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Less tells whether less is better.
	Less     bool       `json:"less_is_better"`
	Policies []Estimate `json:"policies"`
}

// Estimate is a mean over seeds with its 95 % confidence interval, and how it differs from the first policy. With one seed
// there is no interval.
type Estimate struct {
	Mean Value `json:"mean"`
	// Low and High bound the interval of the mean, within what can be.
	Low  Value `json:"low"`
	High Value `json:"high"`
	// Runs is how many seeds the figure is known for.
	Runs int `json:"runs"`
	// Difference is from the first policy, seed by seed; its interval is narrower than those of the means suggest, because
	// the same seed brings the same load.
	Difference     Value `json:"difference"`
	DifferenceLow  Value `json:"difference_low"`
	DifferenceHigh Value `json:"difference_high"`
}

// Verdicts on a difference.
const (
	Better = "better"
	Worse  = "worse"
	// Same: the interval of the difference includes no difference.
	Same = "no clear difference"
)

// Verdict is Better or Worse where the whole interval of the difference lies on one side, Same where it does not, and
// Unclear where there is no interval.
func (m Measurement) Verdict(policy int) string {
	e := m.Policies[policy]
	switch {
	case policy == 0 || !e.DifferenceLow.Known():
		return Unclear
	case e.DifferenceLow == 0 && e.DifferenceHigh == 0, e.DifferenceLow <= 0 && e.DifferenceHigh >= 0:
		return Same
	case (e.Difference < 0) == m.Less:
		return Better
	}
	return Worse
}

// Compare puts the results of several runs side by side. The policies are in the order in which they first come; every
// one must have been run with the same scenario and seeds.
func Compare(results []*Result) (*Comparison, error) {
	if len(results) == 0 {
		return nil, errors.New("there is nothing to compare")
	}
	c := &Comparison{Scenario: results[0].Scenario, Notes: []Note{}}
	runs := map[string]map[uint64]*Result{}
	for _, r := range results {
		if r.Scenario != c.Scenario {
			return nil, fmt.Errorf("%s and %s are different scenarios and cannot be compared", c.Scenario, r.Scenario)
		}
		if runs[r.Policy] == nil {
			runs[r.Policy] = map[uint64]*Result{}
			c.Policies = append(c.Policies, r.Policy)
		}
		if runs[r.Policy][r.Seed] != nil {
			return nil, fmt.Errorf("policy %s was run twice with seed %d", r.Policy, r.Seed)
		}
		runs[r.Policy][r.Seed] = r
		if r.Policy == c.Policies[0] {
			c.Seeds = append(c.Seeds, r.Seed)
		}
		for _, n := range r.Warnings {
			note := Note{Where: strings.TrimSuffix(r.Policy+", "+n.Where, ", "), Object: n.Object, Text: n.Text}
			if !slices.Contains(c.Notes, note) {
				c.Notes = append(c.Notes, note)
			}
		}
	}
	for _, policy := range c.Policies {
		if len(runs[policy]) != len(c.Seeds) {
			return nil, fmt.Errorf("policy %s was run with %d seeds, %s with %d", policy, len(runs[policy]), c.Policies[0], len(c.Seeds))
		}
		for _, seed := range c.Seeds {
			if runs[policy][seed] == nil {
				return nil, fmt.Errorf("policy %s was not run with seed %d", policy, seed)
			}
		}
	}
	c.Planned = len(c.Seeds)
	for _, f := range figures(results[0]) {
		m := Measurement{Name: f.name, Unit: f.unit, Less: f.less}
		some := false
		first := make([]Value, len(c.Seeds))
		for i, policy := range c.Policies {
			values, differences := make([]Value, len(c.Seeds)), make([]Value, len(c.Seeds))
			for k, seed := range c.Seeds {
				values[k] = f.of(runs[policy][seed])
				if i == 0 {
					first[k] = values[k]
				}
				differences[k] = difference(values[k], first[k])
			}
			var e Estimate
			e.Mean, e.Low, e.High, e.Runs = interval(values)
			if e.Low.Known() { // Nothing that is compared can be less than none, or more than all.
				e.Low = max(e.Low, 0)
				if f.unit == "%" {
					e.High = min(e.High, 100)
				}
			}
			e.Difference, e.DifferenceLow, e.DifferenceHigh, _ = interval(differences)
			e.Difference = rounded(e.Difference, e.Mean)
			some = some || e.Mean.Known()
			m.Policies = append(m.Policies, e)
		}
		if some {
			c.Measures = append(c.Measures, m)
		}
	}
	return c, nil
}

// difference of two figures; none where it is only how their last digits were rounded.
func difference(a, b Value) Value {
	return rounded(a-b, b)
}

// rounded is a difference of figures of about the size of one; none where it is only in their last digits.
func rounded(d, of Value) Value {
	if math.Abs(float64(d)) <= 1e-9*math.Abs(float64(of)) {
		return 0
	}
	return d
}

// figure is something that is compared.
type figure struct {
	name, unit string
	less       bool
	of         func(*Result) Value
}

const (
	costName      = "cost"
	promisePrefix = "promise "
)

// figures are those of a run: cost, then each promise, then what each workload did.
func figures(r *Result) []figure {
	list := []figure{
		{costName, "$", true, func(r *Result) Value { return r.Cluster.Cost.Total }},
		{"node hours", "h", true, func(r *Result) Value {
			hours := Value(0)
			for _, n := range r.Cluster.Nodes {
				hours += n.Hours
			}
			return hours
		}},
		{"most nodes", "", true, func(r *Result) Value { return r.Cluster.Total.Max() }},
	}
	for _, s := range r.SLOs {
		list = append(list, figure{promisePrefix + s.Name, "%", false, func(r *Result) Value {
			at := slices.IndexFunc(r.SLOs, func(other SLO) bool { return other.Name == s.Name && other.Workload == s.Workload })
			if at < 0 {
				return Unknown()
			}
			return r.SLOs[at].Attained * 100
		}})
	}
	for _, w := range r.Workloads {
		of := func(get func(*Workload) Value) func(*Result) Value {
			return func(r *Result) Value {
				at := slices.IndexFunc(r.Workloads, func(other Workload) bool { return other.Kind == w.Kind && other.ID() == w.ID() })
				if at < 0 {
					return Unknown()
				}
				return get(&r.Workloads[at])
			}
		}
		list = append(list,
			figure{w.ID() + " latency p50", "s", true, of(func(w *Workload) Value { return w.Latency.P50 })},
			figure{w.ID() + " latency p95", "s", true, of(func(w *Workload) Value { return w.Latency.P95 })},
			figure{w.ID() + " latency p99", "s", true, of(func(w *Workload) Value { return w.Latency.P99 })},
			figure{w.ID() + " most backlog", "", true, of(func(w *Workload) Value { return w.Backlog.Max() })},
			figure{w.ID() + " oldest", "s", true, of(func(w *Workload) Value { return w.OldestAge.Max() })},
			figure{w.ID() + " failed", "", true, of(func(w *Workload) Value { return w.Counts.Failed })},
			figure{w.ID() + " disrupted", "", true, of(func(w *Workload) Value { return w.Counts.Disrupted })},
			figure{w.ID() + " OOM kills", "", true, of(func(w *Workload) Value { return w.Counts.OOMKills })},
			figure{w.ID() + " replica hours", "h", true, of(func(w *Workload) Value { return w.ReplicaHours })},
			figure{w.ID() + " scalings", "", true, of(func(w *Workload) Value { return w.Counts.ScaledUp + w.Counts.ScaledDown })},
		)
	}
	return list
}

// interval is the mean of the known values and its 95 % confidence interval by Student's t.
func interval(values []Value) (mean, low, high Value, n int) {
	var sum, squares float64
	for _, v := range values {
		if v.Known() {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return Unknown(), Unknown(), Unknown(), 0
	}
	m := sum / float64(n)
	if n == 1 {
		return Value(m), Unknown(), Unknown(), 1
	}
	for _, v := range values {
		if v.Known() {
			squares += (float64(v) - m) * (float64(v) - m)
		}
	}
	half := studentT95(n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	return Value(m), Value(m - half), Value(m + half), n
}

// studentT95 is the two-sided 95 % quantile of Student's t: exact for few runs, and by the expansion of Cornish and Fisher
// around the normal quantile, which is good to four digits there, for more.
func studentT95(freedom int) float64 {
	table := []float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	const z = 1.959963984540054
	v := float64(freedom)
	return z + (z*z*z+z)/(4*v) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*v*v) +
		(3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*z*z*z-15*z)/(384*v*v*v)
}

// WriteSummary writes the comparison as one table.
func (c *Comparison) WriteSummary(w io.Writer) error {
	var b strings.Builder
	intervals := ""
	if len(c.Seeds) > 1 {
		intervals = "; in brackets 95 % confidence intervals"
	}
	fmt.Fprintf(&b, "%s, %s; compared with %s%s\n\n", c.Scenario, c.runs(), c.Policies[0], intervals)
	table := tabwriter.NewWriter(&b, 2, 0, 3, ' ', 0)
	fmt.Fprintf(table, "\t%s\n", strings.Join(c.Policies, "\t"))
	same := 0
	for _, m := range c.Measures {
		if m.same() {
			same++
			continue
		}
		row := []string{m.title()}
		for i := range m.Policies {
			text := m.text(i)
			if mark := m.mark(i); mark != "" {
				text += " " + mark
			}
			row = append(row, text)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // a strings.Builder takes everything
	if same > 0 {
		fmt.Fprintf(&b, "\n%d of %s are the same under every policy, and left out here; the HTML report (-o FILE) and --json have them.\n", same, plural(Value(len(c.Measures)), "measure"))
	}
	if len(c.Seeds) < 2 {
		b.WriteString("\nOne seed says nothing about chance; with more of them (--seeds) each difference gets a verdict.\n")
	} else {
		fmt.Fprintf(&b, "\n+ better, - worse than %s; without a mark the difference may be chance.\n", c.Policies[0])
	}
	summaryNotes(&b, "Warnings", c.Notes)
	_, err := io.WriteString(w, b.String())
	return err
}

// runs says how often each policy was run.
func (c *Comparison) runs() string {
	text := plural(Value(len(c.Seeds)), "seed")
	if len(c.Seeds) < c.Planned {
		text += fmt.Sprintf(" (interrupted; %d were asked for)", c.Planned)
	}
	return text
}

// same tells whether a figure is exactly the same under every policy, with every seed, and need not be seen: what a policy costs and what it
// promises are.
func (m Measurement) same() bool {
	return m.Name != costName && !strings.HasPrefix(m.Name, promisePrefix) && len(m.Policies) > 1 && !slices.ContainsFunc(m.Policies[1:], func(e Estimate) bool {
		return e.Runs != m.Policies[0].Runs || e.Difference != 0 || e.DifferenceLow.Known() && (e.DifferenceLow != 0 || e.DifferenceHigh != 0)
	})
}

// WriteJSON writes the comparison.
func (c *Comparison) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return fmt.Errorf("write the comparison as JSON: %w", err)
	}
	return nil
}

func (m Measurement) title() string {
	if m.Unit == "" || m.Unit == "s" { // Durations have their unit with them.
		return m.Name
	}
	return m.Name + ", " + m.Unit
}

func (m Measurement) text(policy int) string {
	e := m.Policies[policy]
	if !e.Low.Known() || e.Low == e.High {
		return m.number(e.Mean)
	}
	return fmt.Sprintf("%s (%s to %s)", m.number(e.Mean), m.number(e.Low), m.number(e.High))
}

// number keeps the hundredths of percentages, because promises are made of them.
func (m Measurement) number(v Value) string {
	switch {
	case m.Unit == "%" && v.Known():
		return fmt.Sprintf("%.2f", float64(v))
	case m.Unit == "s" && v < 0:
		return "-" + seconds(-v)
	case m.Unit == "s":
		return seconds(v)
	}
	return number(v)
}

func (m Measurement) signed(v Value) string {
	if v > 0 {
		return "+" + m.number(v)
	}
	return m.number(v)
}

func (m Measurement) mark(policy int) string {
	switch m.Verdict(policy) {
	case Better:
		return "+"
	case Worse:
		return "-"
	}
	return ""
}

//go:embed compare.html
var compareText string

type comparedRow struct {
	Name  string
	Cells []comparedCell
}

type comparedCell struct{ Text, Difference, Class, Verdict string }

// WriteHTML writes the comparison as one page with one table.
func (c *Comparison) WriteHTML(w io.Writer) error {
	var rows, same []comparedRow
	for _, m := range c.Measures {
		row := comparedRow{Name: m.title()}
		for i, e := range m.Policies {
			cell := comparedCell{Text: m.text(i)}
			if verdict := m.Verdict(i); e.DifferenceLow == 0 && e.DifferenceHigh == 0 && i > 0 {
				cell.Class, cell.Difference = "no-clear-difference", "the same"
			} else if verdict != Unclear {
				cell.Class, cell.Verdict = strings.ReplaceAll(verdict, " ", "-"), verdict
				cell.Difference = fmt.Sprintf("%s (%s to %s)", m.signed(e.Difference), m.signed(e.DifferenceLow), m.signed(e.DifferenceHigh))
			} else if i > 0 && e.Difference.Known() {
				cell.Difference = m.signed(e.Difference)
			}
			row.Cells = append(row.Cells, cell)
		}
		if m.same() {
			same = append(same, row)
		} else {
			rows = append(rows, row)
		}
	}
	return render(w, "compare", compareText, struct {
		*Comparison
		First, Runs string
		Rows, Same  []comparedRow
	}{c, c.Policies[0], c.runs(), rows, same})
}
