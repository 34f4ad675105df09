package measure

import (
	"fmt"
	"io"
	"math"
)

// WriteWorkload writes a service as a workload of a scenario, for people to put into theirs: all of it but the load.
func (s Service) WriteWorkload(w io.Writer, deployment string) error {
	p := &printer{w: w}
	p.line("  - deployment: %s", deployment)
	if s.Memory > 0 {
		p.line("    memory: %.0fMi", math.Ceil(s.Memory/(1<<20)))
	}
	if len(s.Tasks) > 0 {
		p.line("    jobs: # add load, queue and segments")
		for _, part := range []struct{ field, kind string }{{"prepare", "prepare"}, {"segment", "transcribe"}, {"assemble", "assemble"}} {
			if t, done := s.Tasks[part.kind]; done {
				p.line("      %s: %s # %.0f tasks", part.field, t.distribution(), t.Count)
			}
		}
		p.line("      cpu: %.2f", math.Max(0.01, s.CPU))
		if s.TaskMemory > 0 {
			p.line("      memory: %.0fMi", math.Ceil(s.TaskMemory/(1<<20)))
		}
		return p.err
	}
	p.line("    requests: # add load")
	p.line("      service: %s # %.0f requests", s.Requests.distribution(), s.Requests.Count)
	p.line("      cpu: %.0fm", math.Max(1, math.Round(s.CPU*1000)))
	return p.err
}

// distribution is the form that scenarios have for what was measured.
func (t Times) distribution() string {
	return fmt.Sprintf("{median: %v, p95: %v}", Rounded(t.Median), Rounded(math.Max(t.Median, t.P95)))
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
