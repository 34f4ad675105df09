package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"k8s-scalers/windtunnel/report"
)

// decisions collects what scalers do and why, and what goes wrong. Scalers call it from goroutines of their own.
type decisions struct {
	start time.Time

	mu         sync.Mutex
	made       []report.Decision
	complaints map[[2]string]*complaint // by object and text
}

// complaint is an error that controllers met, however often.
type complaint struct {
	reasons     map[string]bool
	count       int
	first, last time.Duration
}

func newDecisions(start time.Time) *decisions {
	return &decisions{start: start, complaints: map[[2]string]*complaint{}}
}

// begin forgets what was decided before the run.
func (d *decisions) begin(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.start, d.made, d.complaints = now, nil, map[[2]string]*complaint{}
}

func (d *decisions) add(decision report.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	decision.At = report.Value(max(0, time.Since(d.start).Seconds()))
	d.made = append(d.made, decision)
}

// scaled is told by the scale of a Deployment; the reason follows in the controller's log.
func (d *decisions) scaled(namespace, name string, from, to int32) {
	d.add(report.Decision{
		Scaler: "hpa", Kind: report.KindReplicas, Object: "Deployment " + namespace + "/" + name,
		From: strconv.Itoa(int(from)), To: strconv.Itoa(int(to)),
	})
}

// rescaled is what the HorizontalController logs right after it has changed a scale.
const rescaled = "Successfully rescaled"

// logger passes the controllers' log on to d, which looks for reasons of decisions in it.
func (d *decisions) logger() logr.Logger { return logr.New(sink{d}) }

type sink struct{ d *decisions }

func (sink) Init(logr.RuntimeInfo)                   {}
func (sink) Enabled(level int) bool                  { return level == 0 }
func (s sink) WithValues(...any) logr.LogSink        { return s }
func (s sink) WithName(string) logr.LogSink          { return s }
func (s sink) Error(err error, msg string, _ ...any) { s.d.failed(err, msg) }

func (s sink) Info(_ int, msg string, keysAndValues ...any) {
	if msg != rescaled {
		return
	}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		if keysAndValues[i] == "reason" {
			s.d.explain(fmt.Sprint(keysAndValues[i+1]))
		}
	}
}

// explain gives its reason to the decision that the HorizontalController made last; it has one worker.
func (d *decisions) explain(reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.made) - 1; i >= 0; i-- {
		if d.made[i].Scaler == "hpa" && d.made[i].Reason == "" {
			d.made[i].Reason = readable(reason)
			return
		}
	}
}

// settling is how long after the start errors are not worth a note: the first pods have just become ready, there are no metrics of
// them yet, and every scaler says so. What stays broken says so again later.
const settling = 2 * time.Minute

func (d *decisions) failed(err error, msg string) {
	if time.Since(d.start) < settling {
		return
	}
	text := msg
	if err != nil {
		text = strings.TrimSpace(strings.TrimSuffix(msg, ":") + ": " + err.Error())
	}
	if ordinary(text) {
		return
	}
	object, text, reason := told(strings.TrimPrefix(text, "Unhandled Error: "))
	d.mu.Lock()
	defer d.mu.Unlock()
	at := time.Since(d.start)
	c := d.complaints[[2]string{object, text}]
	if c == nil {
		c = &complaint{first: at, reasons: map[string]bool{}}
		d.complaints[[2]string{object, text}] = c
	}
	c.count++
	c.last = at
	if reason != "" {
		c.reasons[reason] = true
	}
}

// about is how the HorizontalController names what an error is about in the middle of it: "… for Deployment/shop/web: why".
var about = regexp.MustCompile(`^(.+?)(?: for)? ([A-Z]\w+)/([\w.-]+)/([\w.-]+): (.+)$`)

// told takes an error apart: what it is about, what failed, and why. An error that does not tell what it is about stays whole.
func told(text string) (object, what, why string) {
	parts := about.FindStringSubmatch(text)
	if parts == nil {
		return "", readable(text), ""
	}
	_, why, several := strings.Cut(parts[5], "first error is: ")
	if !several {
		why = parts[5]
	}
	return fmt.Sprintf("%s %s/%s", parts[2], parts[3], parts[4]), parts[1], readable(why)
}

// printed is a selector of labels as Go prints it.
var printed = regexp.MustCompile(`&LabelSelector\{MatchLabels:map\[string\]string\{(.*?),?\},MatchExpressions:\[\]LabelSelectorRequirement\{\},\}`)

// readable writes selectors of labels in the words of controllers as people write them.
func readable(text string) string { return printed.ReplaceAllString(text, "$1") }

// takeErrors lets the errors of controllers come here instead of to the standard error output, and without the default
// back-off, which remembers real time and would sleep for years in virtual time. The returned function undoes it.
func (d *decisions) takeErrors() (undo func()) {
	before := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{ //nolint:reassign // there is no other way
		func(_ context.Context, err error, msg string, _ ...any) { d.failed(err, msg) },
	}
	klog.SetLogger(d.logger()) // For code that was not given a logger, such as informers.
	return func() {
		klog.ClearLogger()
		utilruntime.ErrorHandlers = before //nolint:reassign // there is no other way
	}
}

// sorted is all decisions in the order of time; those of one moment in that of their objects, because which of several
// controllers was first says nothing.
func (d *decisions) sorted() []report.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.SortStableFunc(d.made, func(a, b report.Decision) int {
		if a.At != b.At {
			if a.At < b.At {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Scaler+a.Object, b.Scaler+b.Object)
	})
	return d.made
}

// lingering is how long before the end a complaint may have been said for the last time, and still count as one that stays: controllers try
// again each 15 s.
const lingering = time.Minute

// complained is what went wrong until the end of the run, in the order in which it began.
func (d *decisions) complained(end time.Duration) []report.Complaint {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []report.Complaint{}
	for about, c := range d.complaints {
		all = append(all, report.Complaint{
			Object: about[0], Text: about[1], Reasons: slices.Sorted(maps.Keys(c.reasons)), Count: report.Value(c.count),
			First: report.Value(c.first.Seconds()), Last: report.Value(c.last.Seconds()), Lasting: c.last >= end-lingering,
		})
	}
	slices.SortFunc(all, func(a, b report.Complaint) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// ordinary tells of errors that controllers meet in every healthy cluster and mend by trying again: another writer was
// faster, their own last write has not come back to them yet (how often depends on which goroutine is faster), or an earlier
// run in this process has registered their metrics.
func ordinary(text string) bool {
	for _, part := range []string{"was changed meanwhile", "is not as new as written version", "duplicate metrics collector"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
