package manifest

import (
	"fmt"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// originKey is the annotation in which Kustomize tells which file an object came from, when it is asked to.
const originKey = "config.kubernetes.io/origin"

func kustomizationNames() []string { return konfig.RecognizedKustomizationFileNames() }

// build runs Kustomize on a folder, as kubectl does.
func build(dir string) ([]*Object, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(askingForOrigins{filesys.MakeFsOnDisk(), abs}, abs)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	files := map[string][]*yaml.Node{}
	objects := make([]*Object, 0, resources.Size())
	for _, r := range resources.Resources() {
		text, err := r.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", dir, err)
		}
		u := &unstructured.Unstructured{}
		if u.Object, err = fieldsOf(text); err != nil {
			return nil, fmt.Errorf("build %s: %w", dir, err)
		}
		o := &Object{Unstructured: u}
		o.file, o.node = source(dir, u, files)
		annotations := u.GetAnnotations()
		delete(annotations, originKey)
		if len(annotations) == 0 {
			annotations = nil // An empty map would stay as an empty field.
		}
		u.SetAnnotations(annotations)
		objects = append(objects, o)
	}
	return objects, nil
}

// source finds the file of an object, and the object in it. files holds what has been read.
func source(dir string, u *unstructured.Unstructured, files map[string][]*yaml.Node) (string, *yaml.Node) {
	var origin struct {
		Path         string `yaml:"path"`
		ConfiguredIn string `yaml:"configuredIn"` // by which generator
		Repo         string `yaml:"repo"`
	}
	if err := yaml.Unmarshal([]byte(u.GetAnnotations()[originKey]), &origin); err != nil || origin.Repo != "" {
		return dir, nil
	}
	if origin.Path == "" {
		return filepath.Join(dir, origin.ConfiguredIn), nil
	}
	file := filepath.Join(dir, origin.Path)
	nodes, ok := files[file]
	if !ok {
		nodes, _ = readNodes(file) // Kustomize has read it; without it only the line is unknown.
		files[file] = nodes
	}
	var sameKind *yaml.Node
	for _, n := range nodes {
		if _, kind := child(n, "kind"); kind == nil || kind.Value != u.GetKind() {
			continue
		}
		sameKind = n
		if _, meta := child(n, "metadata"); meta != nil {
			if _, name := child(meta, "name"); name != nil && name.Value == u.GetName() {
				return file, n
			}
		}
	}
	return file, sameKind // The name may have been changed by a prefix.
}

// askingForOrigins is a file system in which the kustomization at the top asks for annotations of origin.
type askingForOrigins struct {
	filesys.FileSystem
	dir string
}

func (f askingForOrigins) ReadFile(path string) ([]byte, error) {
	text, err := f.FileSystem.ReadFile(path)
	if err != nil || filepath.Dir(path) != f.dir || !slices.Contains(kustomizationNames(), filepath.Base(path)) {
		return text, err
	}
	var k struct {
		BuildMetadata []string `yaml:"buildMetadata"`
	}
	// Kustomize itself will say what is wrong with a file that cannot be read.
	if err := yaml.Unmarshal(text, &k); err == nil && k.BuildMetadata == nil {
		text = append(text, "\nbuildMetadata: [originAnnotations]\n"...)
	}
	return text, nil
}

func fieldsOf(text []byte) (map[string]any, error) {
	var fields map[string]any
	if err := utiljson.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return fields, nil
}
