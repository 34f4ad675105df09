// Package config holds the settings of the processes: their names in the environment, their defaults, and one sentence
// on each, from which the reference in docs/configuration.md is made. Command-line flags live with the commands.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"k8s-scalers/internal/caption"
)

// Serve are the settings of the one-process deployment, captions serve.
type Serve struct {
	Addr      string `env:"ADDR" envDefault:"localhost:8080" help:"Where the web page and the API are served. Use :8080 to serve other machines, too."`
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"localhost:0" help:"Where probes, metrics and profiles are served. Port 0 chooses a free one, which is logged; empty serves none."`
	DataDir   string `env:"DATA_DIR" help:"The folder that holds everything: videos, captions, accounts, the queue. Default: captions in the user's data folder."`
	LogLevel  string `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error."`
	LogFormat string `env:"LOG_FORMAT" help:"text or json. Default: text on a terminal, json elsewhere."`

	Gateway
	Uploads
	Worker
	Captions
	PocketSphinx
}

// Gateway are the settings of gateway-service.
type Gateway struct {
	TrustedProxies             []string `env:"TRUSTED_PROXIES" help:"Addresses or CIDR ranges of reverse proxies in front, whose X-Forwarded headers are believed; separated by commas."`
	RequestsPerMinute          int      `env:"REQUESTS_PER_MINUTE" envDefault:"1200" help:"How many requests one user may make. -1 means any number."`
	AnonymousRequestsPerMinute int      `env:"ANONYMOUS_REQUESTS_PER_MINUTE" envDefault:"300" help:"How many requests without a token one address may make. -1 means any number."`
	StreamsPerUser             int      `env:"STREAMS_PER_USER" envDefault:"50" help:"How many WebSockets one user may have open."`
	StreamsPerAddress          int      `env:"STREAMS_PER_ADDRESS" envDefault:"500" help:"How many WebSockets opened with tickets one address may have."`
}

// Uploads are the settings of upload-service.
type Uploads struct {
	MaxFileSize    Bytes         `env:"MAX_FILE_SIZE" envDefault:"20GiB" help:"The largest file that may be uploaded."`
	UserQuota      Bytes         `env:"USER_QUOTA" envDefault:"200GiB" help:"How much one user may store."`
	MaxOpenUploads int           `env:"MAX_OPEN_UPLOADS" envDefault:"20" help:"How many unfinished uploads one user may have."`
	StaleUpload    time.Duration `env:"STALE_UPLOAD" envDefault:"48h" help:"An unfinished upload that nobody touched for this long is removed."`
}

// Worker are the settings of caption-worker.
type Worker struct {
	Workers       int           `env:"WORKERS" envDefault:"0" help:"How many tasks run at a time. 0 means one a core."`
	Window        int           `env:"WINDOW" envDefault:"0" help:"How many segments of one job are on the queue at a time. 0 means twice the workers."`
	SegmentLength time.Duration `env:"SEGMENT_LENGTH" envDefault:"1m" help:"About how long a segment is; it is cut at a silence near."`
	MaxDuration   time.Duration `env:"MAX_DURATION" envDefault:"12h" help:"The longest video that is captioned."`
	MaxAttempts   int           `env:"MAX_ATTEMPTS" envDefault:"5" help:"How often a task is tried before its job fails."`
	Visibility    time.Duration `env:"VISIBILITY" envDefault:"30s" help:"A task whose worker gives no sign of life for this long is given to another."`
}

// Captions are the settings of caption-service.
type Captions struct {
	MaxActiveJobs int `env:"MAX_ACTIVE_JOBS" envDefault:"100" help:"How many unfinished jobs one user may have. 0 means no limit."`
}

// PocketSphinx are the settings of the offline engine.
type PocketSphinx struct {
	Model string `env:"POCKETSPHINX_MODEL" help:"The folder of the acoustic and language model. Default: where the Debian package pocketsphinx-en-us puts it."`
}

// prefix is the beginning of every setting's name in the environment.
const prefix = "CAPTIONS_"

// Load reads settings from the environment into v, a pointer to one of the structs of this package. The error lists
// every mistake.
func Load(v any) error {
	err := env.ParseWithOptions(v, env.Options{Prefix: prefix})
	if err == nil {
		return nil
	}
	var all []string
	if agg, ok := errors.AsType[env.AggregateError](err); ok {
		for _, e := range agg.Errors {
			all = append(all, mistake(e, reflect.TypeOf(v).Elem()))
		}
	} else {
		all = []string{err.Error()}
	}
	return caption.Errorf(caption.KindInvalid, "The settings are wrong:\n  - %s\nSee docs/configuration.md.", strings.Join(all, "\n  - ")).WithCode("bad_settings")
}

// mistake says what is wrong with a setting by the name that the user knows.
func mistake(err error, settings reflect.Type) string {
	pe, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return err.Error()
	}
	field, ok := settings.FieldByName(pe.Name)
	if !ok {
		return err.Error()
	}
	name := prefix + field.Tag.Get("env")
	want := pe.Err.Error()
	switch field.Type.Kind() {
	case reflect.Int:
		want = "it must be a whole number"
	case reflect.Int64:
		if field.Type == reflect.TypeFor[time.Duration]() {
			want = "it must be a time such as 30s, 1m30s or 12h"
		}
	}
	return fmt.Sprintf("%s=%s: %s", name, os.Getenv(name), want)
}

// Normalise fills in the settings whose default depends on the machine.
func (s *Serve) Normalise() error {
	if s.Workers <= 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	if s.Window <= 0 {
		s.Window = 2 * s.Workers
	}
	if s.DataDir == "" {
		dir, err := dataHome()
		if err != nil {
			return err
		}
		s.DataDir = dir
	}
	if s.SegmentLength < 10*time.Second || s.SegmentLength > 10*time.Minute {
		return caption.Errorf(caption.KindInvalid, "%sSEGMENT_LENGTH is %s; it must be from 10s to 10m.", prefix, s.SegmentLength).WithCode("bad_settings")
	}
	if s.Visibility < time.Second {
		return caption.Errorf(caption.KindInvalid, "%sVISIBILITY is %s; it must be at least 1s.", prefix, s.Visibility).WithCode("bad_settings")
	}
	return nil
}

func dataHome() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return d + "/captions", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", caption.Errorf(caption.KindInvalid, "The folder for the data is not known. Set %sDATA_DIR, or use --data.", prefix).WithCause(err)
	}
	return home + "/.local/share/captions", nil
}

// Bytes is a number of bytes, written as 20GiB, 500MB or 1048576.
type Bytes int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(s)
	}
	var n int64
	if _, err := fmt.Sscan(s[:i], &n); err != nil {
		return fmt.Errorf("%q is not a size; write 20GiB or 500MB", s)
	}
	unit, ok := map[string]int64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[strings.TrimSpace(s[i:])]
	if !ok || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size; write 20GiB or 500MB", s)
	}
	*b = Bytes(n * unit)
	return nil
}

// WriteReference writes the reference of all settings in Markdown.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Configuration\n\nMade from the code by `make generate`; do not edit.\n\n" +
		"Settings are environment variables. Times are written as `30s`, `1m30s` or `12h`, sizes as `500MB` or `20GiB`.\n")
	section(&b, "captions serve", reflect.TypeFor[Serve]())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write reference: %w", err)
	}
	return nil
}

func section(b *strings.Builder, title string, t reflect.Type) {
	fmt.Fprintf(b, "\n## %s\n\n| setting | default | meaning |\n|---|---|---|\n", title)
	var rows func(reflect.Type)
	rows = func(t reflect.Type) {
		for f := range t.Fields() {
			if f.Anonymous {
				rows(f.Type)
				continue
			}
			def := f.Tag.Get("envDefault")
			if def != "" {
				def = "`" + def + "`"
			}
			fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, f.Tag.Get("env"), def, f.Tag.Get("help"))
		}
	}
	rows(t)
}
