package engine

import (
	"context"
	"fmt"
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

	mu     sync.Mutex
	made   []report.Decision
	errors map[string]bool
}

func newDecisions(start time.Time) *decisions {
	return &decisions{start: start, errors: map[string]bool{}}
}

// begin forgets what was decided before the run.
func (d *decisions) begin(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.start, d.made, d.errors = now, nil, map[string]bool{}
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
			d.made[i].Reason = reason
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
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errors[strings.TrimPrefix(text, "Unhandled Error: ")] = true
}

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

// notes is what went wrong, each kind of trouble once.
func (d *decisions) notes() []report.Note {
	d.mu.Lock()
	defer d.mu.Unlock()
	var notes []report.Note
	for text := range d.errors {
		if ordinary(text) {
			continue
		}
		notes = append(notes, report.Note{Text: text})
	}
	slices.SortFunc(notes, func(a, b report.Note) int { return strings.Compare(a.Text, b.Text) })
	return notes
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
