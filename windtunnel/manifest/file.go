package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// readFile reads the objects of one file of YAML or JSON.
func readFile(path string) ([]*Object, error) {
	nodes, err := readNodes(path)
	if err != nil {
		return nil, err
	}
	var objects []*Object
	var errs []error
	for _, n := range nodes {
		o, err := fromNode(path, n)
		switch {
		case err != nil:
			errs = append(errs, err)
		case o.IsList():
			objects = append(objects, o.items()...)
		default:
			objects = append(objects, o)
		}
	}
	return objects, errors.Join(errs...)
}

// readNodes parses the documents of a file; those without content are left out.
func readNodes(path string) ([]*yaml.Node, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var nodes []*yaml.Node
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, notYAML(path, err)
		}
		if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
			nodes = append(nodes, doc.Content[0])
		}
	}
}

// notYAML tells the line of a mistake in front, as everywhere.
func notYAML(path string, err error) error {
	at, text := Position{File: path}, strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, found := strings.CutPrefix(text, "line "); found {
		if number, why, cut := strings.Cut(rest, ": "); cut {
			if line, err := strconv.Atoi(number); err == nil {
				at.Line, text = line, why
			}
		}
	}
	return fmt.Errorf("%s: this is not YAML: %s", at, text)
}

func fromNode(path string, n *yaml.Node) (*Object, error) {
	at := Position{File: path, Line: n.Line, Column: n.Column}
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: this is no Kubernetes object: expected a mapping with apiVersion and kind", at)
	}
	var fields map[string]any // Decoding into a map finds keys that are given twice.
	if err := n.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%s: this is no Kubernetes object: %w", at, err)
	}
	// By way of JSON the values become those that Kubernetes' own decoders make.
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("%s: this is no Kubernetes object: %w", at, err)
	}
	u := &unstructured.Unstructured{}
	if u.Object, err = fieldsOf(text); err != nil {
		return nil, fmt.Errorf("%s: this is no Kubernetes object: %w", at, err)
	}
	if u.GetAPIVersion() == "" || u.GetKind() == "" {
		return nil, fmt.Errorf("%s: this is no Kubernetes object: it has no apiVersion or no kind", at)
	}
	return &Object{Unstructured: u, file: path, node: n}, nil
}

// items are the objects of a List.
func (o *Object) items() []*Object {
	var objects []*Object
	_, list := child(o.node, "items")
	if list.Kind == yaml.AliasNode {
		list = list.Alias
	}
	items, _, _ := unstructured.NestedSlice(o.Object, "items")
	for i, item := range items {
		if fields, ok := item.(map[string]any); ok {
			objects = append(objects, &Object{Unstructured: &unstructured.Unstructured{Object: fields}, file: o.file, node: list.Content[i]})
		}
	}
	return objects
}
