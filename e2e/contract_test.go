package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	verrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/paths"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"k8s-scalers/api"
)

// contract holds what goes over the wire to the OpenAPI document.
type contract struct {
	exchanges validator.Validator
	schemas   schema_validation.SchemaValidator
	model     *v3.Document
	message   *base.Schema // EventMessage
	problem   *base.Schema // Problem

	mu   sync.Mutex
	used map[string]bool // ids of operations that succeeded
}

func newContract() (*contract, error) {
	doc, err := libopenapi.NewDocument(api.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("read the OpenAPI document: %w", errs[0])
	}
	schemas := model.Model.Components.Schemas
	return &contract{exchanges: v, schemas: schema_validation.NewSchemaValidator(config.WithFormatAssertions()),
		model: &model.Model, used: map[string]bool{}, message: schemas.GetOrZero("EventMessage").Schema(), problem: schemas.GetOrZero("Problem").Schema()}, nil
}

// note remembers the operation of a request that succeeded.
func (c *contract) note(r *http.Request, status int) {
	item, _, _ := paths.FindPath(r, c.model, nil)
	if item == nil || status >= 300 {
		return
	}
	if op := item.GetOperations().GetOrZero(strings.ToLower(r.Method)); op != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.used[op.OperationId] = true
	}
}

// unused returns the operations of the document that never succeeded.
func (c *contract) unused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, item := range c.model.Paths.PathItems.FromOldest() {
		for _, op := range item.GetOperations().FromOldest() {
			if !c.used[op.OperationId] {
				ids = append(ids, op.OperationId)
			}
		}
	}
	return ids
}

// checkMessage holds a message of an event stream to the document.
func (c *contract) checkMessage(b []byte) error {
	ok, errs := c.schemas.ValidateSchemaBytes(c.message, b)
	return verdict(ok, errs, "event message", b)
}

func (c *contract) checkProblem(b []byte) error {
	ok, errs := c.schemas.ValidateSchemaBytes(c.problem, b)
	return verdict(ok, errs, "problem", b)
}

func verdict(ok bool, errs []*verrors.ValidationError, what string, body []byte) error {
	if ok {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not as the OpenAPI document says:", what)
	for _, e := range errs {
		fmt.Fprintf(&b, "\n  %s: %s", e.Message, e.Reason)
		for _, s := range e.SchemaValidationErrors {
			fmt.Fprintf(&b, "\n    %s %s", s.FieldPath, s.Reason)
		}
	}
	fmt.Fprintf(&b, "\n  body: %.600s", body)
	return fmt.Errorf("%s", b.String())
}

// rules are how strictly an exchange is held to the document.
type rules int

const (
	strict rules = iota
	// hostile requests are wrong on purpose; only their responses are checked.
	hostile
	// unrouted requests are wrong on purpose, and for addresses that the document does not have; the response must be a
	// problem, or lead to the right spelling of the address.
	unrouted
)

type rulesKey struct{}

func withRules(ctx context.Context, r rules) context.Context {
	return context.WithValue(ctx, rulesKey{}, r)
}

// checkedTransport holds every exchange with the API to the document, and fails the test where it does not fit.
type checkedTransport struct {
	t    testing.TB
	c    *contract
	next http.RoundTripper
	base string
}

func (ct *checkedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ours := strings.HasPrefix(r.URL.String(), ct.base) && (strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/.well-known/"))
	how, _ := r.Context().Value(rulesKey{}).(rules)
	if !ours && how != unrouted {
		return ct.next.RoundTrip(r) // A part of a video, on its way to S3.
	}
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		_ = r.Body.Close() // It is read to its end.
		r = r.Clone(r.Context())
		if r.Body = io.NopCloser(bytes.NewReader(sent)); len(sent) == 0 {
			r.Body = http.NoBody
		}
	}
	res, err := ct.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res, nil // Its messages are checked by those who read them.
	}
	stream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	var got []byte
	if !stream {
		if got, err = io.ReadAll(res.Body); err != nil {
			return nil, fmt.Errorf("read the response: %w", err)
		}
		_ = res.Body.Close() // It is read to its end.
		res.Body = io.NopCloser(bytes.NewReader(got))
	}
	if err := ct.c.check(how, r, sent, res, got, stream); err != nil {
		ct.t.Errorf("%s %s → %d: %v", r.Method, r.URL.Path, res.StatusCode, err)
	}
	return res, nil
}

func (c *contract) check(how rules, r *http.Request, sent []byte, res *http.Response, got []byte, stream bool) error {
	if res.Header.Get("X-Request-Id") == "" {
		return fmt.Errorf("the response has no X-Request-Id")
	}
	if res.StatusCode >= 400 {
		if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
			return fmt.Errorf("the error has the content type %q: %.200s", ct, got)
		}
		if err := c.checkProblem(got); err != nil {
			return err
		}
		var p struct{ Status int }
		if err := json.Unmarshal(got, &p); err != nil {
			return fmt.Errorf("read the problem: %w", err)
		}
		if p.Status != res.StatusCode {
			return fmt.Errorf("the problem says that the status is %d", p.Status)
		}
	}
	if how == unrouted {
		if res.StatusCode < 300 {
			return fmt.Errorf("no error: %.200s", got)
		}
		return nil
	}
	request := r.Clone(context.WithoutCancel(r.Context()))
	request.Body = io.NopCloser(bytes.NewReader(sent))
	request.ContentLength = int64(len(sent))
	if sent == nil {
		request.Body = http.NoBody
	}
	c.note(request, res.StatusCode)
	if how == strict {
		if ok, errs := c.exchanges.ValidateHttpRequestSync(request); !ok {
			return verdict(ok, errs, "request", sent)
		}
	}
	if stream {
		return nil
	}
	response := *res
	response.Body = io.NopCloser(bytes.NewReader(got))
	ok, errs := c.exchanges.ValidateHttpResponse(request, &response)
	return verdict(ok, errs, "response", got)
}
