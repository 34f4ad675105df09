package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// programs are what the reference describes.
var programs = []struct {
	name     string
	about    string
	settings any
}{
	{"captions serve", "All services in one process.", Serve{}},
	{"captions dead-letters", "The tasks that were given up, of either deployment.", DeadLetters{}},
	{"auth-service", "Accounts, sign-in, tokens.", AuthService{}},
	{"gateway-service", "The entry for clients.", GatewayService{}},
	{"upload-service", "Uploads of videos.", UploadService{}},
	{"caption-service", "Caption jobs, their progress and their results.", CaptionService{}},
	{"caption-worker", "The work on the jobs.", CaptionWorker{}},
	{"frontend", "The web page.", Frontend{}},
}

const introduction = `# Configuration

Made from the code by ` + "`make generate`" + `; do not edit.

Settings are environment variables; one that is empty is as good as none. Times are written as ` + "`30s`, `1m30s` or `12h`" + `, sizes as
` + "`500MB` or `20GiB`" + `. A program that finds a mistake lists all of them and does not start.

A setting marked with a key (🔑) can also come from a file, such as a mounted Kubernetes secret: ` + "`NAME_FILE`" + ` then holds the path. ` + "`captions serve`" + `
is one process with all its data in a folder. The other six programs are the same services as processes of their own, over backends
that they share; they refuse backends that only one process can use. Traces are set up by OpenTelemetry's own variables,
such as ` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + `, in every program.
`

// WriteReference writes the reference of all settings in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(introduction)
	var names []string // of settings of the six programs, in the order of their first appearance
	users := map[string][]string{}
	for _, p := range programs {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| setting | default | meaning |\n|---|---|---|\n", p.name, p.about)
		t := reflect.TypeOf(p.settings)
		walk(reflect.New(t).Elem(), func(f setting, _ reflect.Value) {
			b.WriteString(row(f))
			if strings.HasPrefix(p.name, "captions ") { // It shares its settings with nobody.
				return
			}
			if users[f.name] == nil {
				names = append(names, f.name)
			}
			users[f.name] = append(users[f.name], p.name)
		}, nil)
	}
	b.WriteString("\n## Shared settings\n\nOf the six programs, these have the same setting. Give all of them the same value, except for addresses to listen on and\nthe level of logs.\n\n" +
		"| setting | programs |\n|---|---|\n")
	for _, name := range names {
		switch n := len(users[name]); {
		case n == 6:
			fmt.Fprintf(&b, "| `%s%s` | all six |\n", prefix, name)
		case n > 1:
			fmt.Fprintf(&b, "| `%s%s` | %s |\n", prefix, name, strings.Join(users[name], ", "))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write reference: %w", err)
	}
	return nil
}

func row(f setting) string {
	def, key := "", ""
	switch {
	case f.required:
		def = "required"
	case f.def != "":
		def = "`" + f.def + "`"
	}
	if f.secret {
		key = " 🔑"
	}
	return fmt.Sprintf("| `%s%s`%s | %s | %s |\n", prefix, f.name, key, def, f.help)
}

// WriteProgram writes the settings of one program as plain text; settings is a pointer to its struct.
func WriteProgram(w io.Writer, settings any) error {
	var b strings.Builder
	walk(reflect.New(reflect.TypeOf(settings).Elem()).Elem(), func(f setting, _ reflect.Value) {
		fmt.Fprintf(&b, "  %s%s", prefix, f.name)
		switch {
		case f.required:
			b.WriteString(" (required)")
		case f.def != "":
			fmt.Fprintf(&b, " (default %s)", f.def)
		}
		fmt.Fprintf(&b, "\n      %s\n", f.help)
	}, nil)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}
