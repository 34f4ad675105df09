package api_test

import (
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	verrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/stretchr/testify/require"

	"k8s-scalers/api"
)

func document(t *testing.T) (libopenapi.Document, *v3.Document) {
	doc, err := libopenapi.NewDocument(api.OpenAPI)
	require.NoError(t, err)
	model, err := doc.BuildV3Model()
	require.NoError(t, err)
	return doc, &model.Model
}

func report(t *testing.T, where string, problems []*verrors.ValidationError) {
	for _, p := range problems {
		t.Errorf("%s: %s: %s", where, p.Message, p.Reason)
		for _, s := range p.SchemaValidationErrors {
			t.Errorf("  %s at %s", s.Reason, s.KeywordLocation)
		}
	}
}

func TestDocumentIsValid(t *testing.T) {
	doc, _ := document(t)
	v, errs := validator.NewValidator(doc)
	require.Empty(t, errs)
	valid, problems := v.ValidateDocument()
	report(t, "document", problems)
	require.True(t, valid)
}

// The examples are what authors of clients copy.
func TestExamplesAreValid(t *testing.T) {
	_, model := document(t)
	schemas := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
	checked := 0
	check := func(where string, media *v3.MediaType) {
		if media.Example == nil {
			return
		}
		var example any
		require.NoError(t, media.Example.Decode(&example), where)
		_, problems := schemas.ValidateSchemaObject(media.Schema.Schema(), example)
		report(t, where, problems)
		checked++
	}
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Content.FromOldest() {
					check(method+" "+path, media)
				}
			}
		}
	}
	for name, response := range model.Components.Responses.FromOldest() {
		for _, media := range response.Content.FromOldest() {
			check("response "+name, media)
		}
	}
	require.Greater(t, checked, 10)
}

// A client author finds out about every operation: what it is for, and how it can fail.
func TestOperationsAreDescribed(t *testing.T) {
	_, model := document(t)
	ids := map[string]bool{}
	for path, item := range model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			where := method + " " + path
			require.NotEmpty(t, op.Summary, where)
			require.NotEmpty(t, op.Tags, where)
			require.NotEmpty(t, op.OperationId, where)
			require.False(t, ids[op.OperationId], "%s: the id %s is used twice", where, op.OperationId)
			ids[op.OperationId] = true
			codes := map[string]bool{}
			for code, response := range op.Responses.Codes.FromOldest() {
				codes[code] = true
				if code >= "400" {
					require.NotNil(t, response.Content.GetOrZero("application/problem+json"), "%s %s", where, code)
				}
			}
			require.True(t, codes["429"] && codes["500"], where)
			if op.RequestBody != nil {
				require.True(t, codes["400"] && codes["413"], where)
			}
			public := op.Security != nil
			require.True(t, codes["401"] || public, where)
		}
	}
}
