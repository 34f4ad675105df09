// Package config holds the settings of the programs: their names in the environment, their defaults, and one sentence
// on each, from which the reference in docs/configuration.md is made. Settings that several programs have stand in groups
// of which the settings of each program are composed. Command-line flags live with the commands; what is made of the settings is
// the business of package backend and of the services.
package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"k8s-scalers/internal/caption"
)

// prefix is the beginning of every setting's name in the environment.
const prefix = "CAPTIONS_"

// Load reads settings from the environment into v, a pointer to one of the structs of this package. A variable that is
// empty is as good as none. The error lists every mistake, in the order of docs/configuration.md.
func Load(v any) error {
	m := mistakes{}
	err := env.ParseWithOptions(v, env.Options{Prefix: prefix, Environment: environment(reflect.TypeOf(v).Elem(), m)})
	if err != nil {
		agg, ok := errors.AsType[env.AggregateError](err)
		if !ok {
			return fmt.Errorf("read settings: %w", err)
		}
		for _, e := range agg.Errors {
			pe, ok := errors.AsType[env.ParseError](e)
			if !ok {
				return fmt.Errorf("read settings: %w", err)
			}
			m.parse(pe, reflect.TypeOf(v).Elem())
		}
	}
	walk(reflect.ValueOf(v).Elem(), func(f setting, value reflect.Value) {
		if f.required && value.IsZero() {
			m.add(f.name, "is missing. %s", f.help)
		}
	}, func(group any) {
		if c, ok := group.(checker); ok {
			c.check(m)
		}
	})
	return m.err(reflect.TypeOf(v).Elem())
}

// checker is a group of settings that knows more mistakes than those that its types exclude. It must bear with the zero values
// of settings whose own mistake is noted already.
type checker interface{ check(m mistakes) }

// mistakes are what is wrong with settings, by their names without the prefix.
type mistakes map[string]string

// add notes the first mistake of a setting; what follows from it is of no use to anybody.
func (m mistakes) add(name, format string, args ...any) {
	if _, noted := m[name]; !noted {
		m[name] = fmt.Sprintf(format, args...)
	}
}

// parse notes a value that cannot be read.
func (m mistakes) parse(pe env.ParseError, settings reflect.Type) {
	field, ok := settings.FieldByName(pe.Name)
	if !ok {
		m.add(pe.Name, "%v", pe.Err)
		return
	}
	f := describe(field, false)
	want := pe.Err.Error()
	switch {
	case field.Type == reflect.TypeFor[time.Duration]():
		want = "must be a time such as 30s, 1m30s or 12h"
	case field.Type.Kind() == reflect.Int:
		want = "must be a whole number"
	case field.Type.Kind() == reflect.Bool:
		want = "must be true or false"
	}
	if f.secret {
		m.add(f.name, "%s.", want)
		return
	}
	m.add(f.name, "%s, but it is %q.", want, os.Getenv(prefix+f.name))
}

// err is the error that lists the mistakes, or nil where there is none.
func (m mistakes) err(settings reflect.Type) error {
	if len(m) == 0 {
		return nil
	}
	var order []string
	walk(reflect.New(settings).Elem(), func(f setting, _ reflect.Value) { order = append(order, f.name) }, nil)
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	var b strings.Builder
	b.WriteString("The settings are wrong:")
	for _, name := range names {
		fmt.Fprintf(&b, "\n  - %s%s %s", prefix, name, m[name])
	}
	b.WriteString("\nSee docs/configuration.md.")
	return caption.Errorf(caption.KindInvalid, "%s", b.String()).WithCode("bad_settings")
}

// environment is what settings are read from: the environment without empty variables, and for secrets the content of the files
// that NAME_FILE names.
func environment(settings reflect.Type, m mistakes) map[string]string {
	all := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok && value != "" {
			all[name] = value
		}
	}
	walk(reflect.New(settings).Elem(), func(f setting, _ reflect.Value) {
		name := prefix + f.name
		path := all[name+"_FILE"]
		if !f.secret || path == "" {
			return
		}
		if all[name] != "" {
			m.add(f.name, "is set, and %s_FILE too. Unset one of them.", name)
			return
		}
		content, err := os.ReadFile(path)
		// Files mostly end with a line break that is no part of the secret.
		secret := strings.TrimRight(string(content), "\r\n")
		switch {
		case err != nil:
			m.add(f.name, "cannot be read from the file that %s_FILE names: %v.", name, err)
		case secret == "":
			m.add(f.name, "is empty in the file that %s_FILE names.", name)
		default:
			all[name] = secret
		}
	}, nil)
	return all
}

// setting describes one setting.
type setting struct {
	name             string // without the prefix
	def, help        string
	required, secret bool
}

func describe(f reflect.StructField, optional bool) setting {
	return setting{
		name: f.Tag.Get("env"), def: f.Tag.Get("envDefault"), help: f.Tag.Get("help"),
		required: f.Tag.Get("required") == "true" && !optional, secret: f.Tag.Get("secret") == "true",
	}
}

// walk visits the settings of a struct in order, then each group of them that v has, v itself included, by its address.
// A group that is embedded with the tag optional has no required settings.
func walk(v reflect.Value, field func(setting, reflect.Value), group func(any)) {
	var visit func(reflect.Value, bool)
	visit = func(v reflect.Value, optional bool) {
		for f, value := range v.Fields() {
			if f.Anonymous {
				visit(value, optional || f.Tag.Get("optional") == "true")
			} else {
				field(describe(f, optional), value)
			}
		}
		if group != nil {
			group(v.Addr().Interface())
		}
	}
	visit(v, false)
}
