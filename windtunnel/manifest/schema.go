package manifest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
	groupschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	openapierrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// crdFiles are the definitions of the kinds that are not Kubernetes' own, without their descriptions.
//
//go:embed crds/*.yaml
var crdFiles embed.FS

// CRDs are the definitions of the autoscalers' own kinds and of those that our manifests use beside them, one a file, ready for a
// cluster to be given.
func CRDs() fs.FS {
	dir, err := fs.Sub(crdFiles, "crds")
	if err != nil {
		panic(err) // The folder is embedded above.
	}
	return dir
}

// ErrUnknownKind means that there is no schema to check an object against.
var ErrUnknownKind = errors.New("the kind is not known here")

// Problem is something that a strict API server would refuse.
type Problem struct {
	Path    string // of the field, such as spec.metrics[0].resource; empty for the object as a whole
	Message string
}

// Check decodes the object as a strict API server does: a field that the kind does not have, a value of the wrong type and, for
// the kinds of the autoscalers, a value out of range are problems. Rules that only the server's own validation knows are not
// looked at. It returns [ErrUnknownKind] for a kind without a schema.
func Check(o *Object) ([]Problem, error) {
	gvk := o.GroupVersionKind()
	if scheme.Scheme.Recognizes(gvk) {
		return checkBuiltIn(o)
	}
	s, err := schemaOf(gvk)
	if err != nil {
		return nil, err
	}
	return s.check(o.Object), nil
}

// unknownField is how strict decoding tells of a field by its path.
var unknownField = regexp.MustCompile(`^(?:unknown|duplicate) field "(.+)"$`)

func checkBuiltIn(o *Object) ([]Problem, error) {
	text, err := o.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", o.Ref(), err)
	}
	typed, err := scheme.Scheme.New(o.GroupVersionKind())
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", o.Ref(), err)
	}
	strict, err := kjson.UnmarshalStrict(text, typed)
	if err != nil {
		return []Problem{{Message: strings.TrimPrefix(err.Error(), "json: ")}}, nil
	}
	problems := make([]Problem, 0, len(strict))
	for _, err := range strict {
		p := Problem{Message: err.Error()}
		if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
			p.Path, p.Message = m[1], "there is no such field"
		}
		problems = append(problems, p)
	}
	return problems, nil
}

// customSchema checks objects of one version of one kind.
type customSchema struct {
	structural *schema.Structural
	validator  *validate.SchemaValidator
}

// loadSchemas reads the definitions once, when the first object asks for them.
var loadSchemas = sync.OnceValues(readSchemas)

func schemaOf(gvk groupschema.GroupVersionKind) (*customSchema, error) {
	all, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	if s, ok := all[gvk]; ok {
		return s, nil
	}
	var versions []string
	for known := range all {
		if known.GroupKind() == gvk.GroupKind() {
			versions = append(versions, known.Version)
		}
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s: %w", gvk.GroupKind(), ErrUnknownKind)
	}
	slices.Sort(versions)
	return nil, fmt.Errorf("version %s of %s is not served; there is %s", gvk.Version, gvk.GroupKind(), strings.Join(versions, ", "))
}

func readSchemas() (map[groupschema.GroupVersionKind]*customSchema, error) {
	all := map[groupschema.GroupVersionKind]*customSchema{}
	names, err := fs.Glob(crdFiles, "crds/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	for _, name := range names {
		text, err := crdFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read definitions: %w", err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			return nil, fmt.Errorf("read definition %s: %w", path.Base(name), err)
		}
		for _, v := range crd.Spec.Versions {
			if !v.Served {
				continue
			}
			s, err := newSchema(v.Schema.OpenAPIV3Schema)
			if err != nil {
				return nil, fmt.Errorf("read definition %s: %w", path.Base(name), err)
			}
			all[groupschema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}] = s
		}
	}
	return all, nil
}

func newSchema(props *apiextensionsv1.JSONSchemaProps) (*customSchema, error) {
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil); err != nil {
		return nil, fmt.Errorf("convert schema: %w", err)
	}
	structural, err := schema.NewStructural(internal)
	if err != nil {
		return nil, fmt.Errorf("convert schema: %w", err)
	}
	openAPI, err := openAPIOf(structural)
	if err != nil {
		return nil, err
	}
	return &customSchema{structural, validate.NewSchemaValidator(openAPI, nil, "", strfmt.Default)}, nil
}

func openAPIOf(s *schema.Structural) (*spec.Schema, error) {
	openAPI := s.ToKubeOpenAPI()
	if openAPI == nil {
		return nil, errors.New("convert schema: it is empty")
	}
	return openAPI, nil
}

func (s *customSchema) check(fields map[string]any) []Problem {
	var problems []Problem
	pruned := pruning.PruneWithOptions(runtime.DeepCopyJSON(fields), s.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, p := range pruned {
		problems = append(problems, Problem{Path: p, Message: "there is no such field"})
	}
	for _, err := range s.validator.Validate(fields).Errors {
		p := Problem{Message: err.Error()}
		if v := (*openapierrors.Validation)(nil); errors.As(err, &v) {
			p.Path = strings.TrimPrefix(v.Name, ".")
			p.Message = strings.TrimPrefix(p.Message, v.Name+" in body ")
		}
		problems = append(problems, p)
	}
	return problems
}
