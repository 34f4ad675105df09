package scenario

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Problem is one mistake in a file.
type Problem struct {
	File  string
	Line  int
	Field string
	Text  string
}

func (p Problem) String() string {
	at := fmt.Sprintf("%s:%d", p.File, p.Line)
	if p.Field == "" {
		return at + ": " + p.Text
	}
	return at + ": " + p.Field + ": " + p.Text
}

// Problems are all mistakes of a file, in its order. Together they are an error.
type Problems []Problem //nolint:errname // a list to show, in the first place

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// decoder fills Go values from YAML nodes and remembers where everything stood.
type decoder struct {
	file     string
	problems Problems
	lines    map[string]int
}

// reader is a type that has its own form in YAML.
type reader interface {
	read(d *decoder, node *yaml.Node, field string)
}

func (d *decoder) say(line int, field, format string, args ...any) {
	d.problems = append(d.problems, Problem{d.file, line, field, fmt.Sprintf(format, args...)})
}

// at reports a mistake in a field that was decoded, or in the nearest one around it.
func (d *decoder) at(field, format string, args ...any) {
	d.say(lineIn(d.lines, field), field, format, args...)
}

// wrong tells whether a mistake in a field was reported already.
func (d *decoder) wrong(field string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		rest, within := strings.CutPrefix(p.Field, field)
		return within && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// given tells whether a field stands in the file.
func (d *decoder) given(field string) bool {
	_, found := d.lines[field]
	return found
}

// lineIn is the line of a field, or of the nearest one around it.
func lineIn(lines map[string]int, field string) int {
	for around := field; around != ""; around = around[:max(strings.LastIndexAny(around, ".["), 0)] {
		if line, found := lines[around]; found {
			return line
		}
	}
	return 1
}

func (d *decoder) sorted() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return d.problems
}

func (d *decoder) decode(node *yaml.Node, into reflect.Value, field string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	d.lines[field] = node.Line
	if r, ok := reflect.TypeAssert[reader](into.Addr()); ok {
		r.read(d, node, field)
		return
	}
	if into.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(node, into, field)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.decode(node, into.Elem(), field)
	case reflect.Struct:
		d.mapping(node, into, field)
	case reflect.Slice:
		d.sequence(node, into, field)
	case reflect.Map:
		d.texts(node, into, field)
	default:
		d.scalar(node, into, field)
	}
}

func (d *decoder) mapping(node *yaml.Node, into reflect.Value, field string) {
	names, fields := fieldsOf(into)
	if node.Kind != yaml.MappingNode {
		d.say(node.Line, field, "expected a mapping with %s, found %s", strings.Join(names, ", "), describe(node))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := join(field, key.Value)
		target, known := fields[key.Value]
		switch {
		case !known:
			d.say(key.Line, path, "there is no such field; expected one of %s", strings.Join(names, ", "))
		case seen[key.Value]:
			d.say(key.Line, path, "given twice")
		default:
			d.decode(value, target, path)
			d.lines[path] = key.Line
		}
		seen[key.Value] = true
	}
}

func (d *decoder) sequence(node *yaml.Node, into reflect.Value, field string) {
	if node.Kind != yaml.SequenceNode {
		d.say(node.Line, field, "expected a list, found %s", describe(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		d.decode(item, into.Index(i), fmt.Sprintf("%s[%d]", field, i))
	}
}

// texts fills a map of texts by texts, such as labels.
func (d *decoder) texts(node *yaml.Node, into reflect.Value, field string) {
	if node.Kind != yaml.MappingNode {
		d.say(node.Line, field, "expected a mapping of names to texts, found %s", describe(node))
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		value := reflect.New(into.Type().Elem()).Elem()
		d.scalar(node.Content[i+1], value, join(field, node.Content[i].Value))
		into.SetMapIndex(reflect.ValueOf(node.Content[i].Value), value)
	}
}

func (d *decoder) scalar(node *yaml.Node, into reflect.Value, field string) {
	want := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Int: "a whole number",
		reflect.Uint64: "a whole number that is not negative", reflect.Float64: "a number",
	}[into.Kind()]
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		d.say(node.Line, field, "expected %s, found %s", want, describe(node))
		return
	}
	if err := node.Decode(into.Addr().Interface()); err != nil {
		d.say(node.Line, field, "expected %s, found %s", want, describe(node))
		return
	}
	if into.Kind() == reflect.Float64 && (math.IsNaN(into.Float()) || math.IsInf(into.Float(), 0)) {
		d.say(node.Line, field, "expected a finite number, found %s", describe(node))
	}
}

func (d *decoder) duration(node *yaml.Node, into reflect.Value, field string) {
	parsed, err := time.ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil {
		d.say(node.Line, field, "expected a duration such as 250ms, 15s, 10m or 24h, found %s", describe(node))
		return
	}
	if parsed < 0 {
		d.say(node.Line, field, "expected a duration that is not negative, found %s", describe(node))
	}
	into.SetInt(int64(parsed))
}

// Bytes is an amount of memory, written as Kubernetes writes it: 64Mi.
type Bytes float64

func (b *Bytes) read(d *decoder, node *yaml.Node, field string) {
	quantity, err := resource.ParseQuantity(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || quantity.Sign() < 0 {
		d.say(node.Line, field, "expected an amount of memory such as 64Mi, found %s", describe(node))
		return
	}
	*b = Bytes(quantity.AsApproximateFloat64())
}

// Cores is an amount of CPU, written as Kubernetes writes it: 250m.
type Cores float64

func (c *Cores) read(d *decoder, node *yaml.Node, field string) {
	quantity, err := resource.ParseQuantity(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil || quantity.Sign() < 0 {
		d.say(node.Line, field, "expected an amount of CPU such as 250m or 1.5, found %s", describe(node))
		return
	}
	*c = Cores(quantity.AsApproximateFloat64())
}

// fieldsOf lists the fields of a struct by their names in YAML, in their order.
func fieldsOf(v reflect.Value) ([]string, map[string]reflect.Value) {
	var names []string
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		fields[name] = v.Field(i)
	}
	return names, fields
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}
