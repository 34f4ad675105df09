package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Position is a place in a file. Line and Column count from 1; 0 means that only the file is known.
type Position struct {
	File         string
	Line, Column int
}

// String is file:line, the form that editors and terminals turn into a link.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Object is one object of what is applied.
type Object struct {
	*unstructured.Unstructured
	// Folder is the folder or file that was asked for, and that this object is part of.
	Folder string

	file string
	node *yaml.Node // of the object in file; nil where it was generated, by a configMapGenerator for example
}

// Ref names the object for people: "Deployment captions/auth-service".
func (o *Object) Ref() string {
	if ns := o.GetNamespace(); ns != "" {
		return fmt.Sprintf("%s %s/%s", o.GetKind(), ns, o.GetName())
	}
	return fmt.Sprintf("%s %s", o.GetKind(), o.GetName())
}

// Position is where a field stands: names of fields and indexes of lists, from the root of the object. A field that does not
// stand in the file of its object, because a patch added it or because it is missing, has the position of the nearest field
// around it that does.
func (o *Object) Position(path ...any) Position {
	if o.node == nil {
		return Position{File: o.file}
	}
	n, at := o.node, o.node
	for _, step := range path {
		key, value := child(n, step)
		if value == nil {
			break
		}
		n, at = value, key
	}
	return Position{File: o.file, Line: at.Line, Column: at.Column}
}

// child returns the node of a field or of an item, and the node where it is seen to begin.
func child(n *yaml.Node, step any) (key, value *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch step := step.(type) {
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && step >= 0 && step < len(n.Content) {
			return n.Content[step], n.Content[step]
		}
	}
	return nil, nil
}

// ParsePath turns spec.metrics[0].resource into the arguments of [Object.Position].
func ParsePath(path string) []any {
	var steps []any
	for field := range strings.SplitSeq(path, ".") {
		name, rest, _ := strings.Cut(field, "[")
		if name != "" {
			steps = append(steps, name)
		}
		for rest != "" {
			index, more, _ := strings.Cut(rest, "]")
			var i int
			if _, err := fmt.Sscan(index, &i); err == nil {
				steps = append(steps, i)
			} else {
				steps = append(steps, index)
			}
			rest = strings.TrimPrefix(more, "[")
		}
	}
	return steps
}

// As decodes the object into T, which must be its type. A field that T does not have is an error.
func As[T any](o *Object) (*T, error) {
	v := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, v, true); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", o.Position(), o.Ref(), err)
	}
	return v, nil
}
