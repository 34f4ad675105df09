package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"k8s-scalers/internal/caption"
)

const (
	// freshFor is how long fetched keys are used without asking again.
	freshFor = 5 * time.Minute
	// fetchPause is the least time between two fetches, so that tokens with invented key ids cannot make us flood
	// auth-service. It publishes keys well before it uses them, so waiting this long refuses no good token.
	fetchPause = 10 * time.Second
	// retryPause is the least time to the next fetch after one that failed.
	retryPause   = time.Second
	fetchTimeout = 3 * time.Second
	maxJWKS      = 64 << 10 // bytes
	// remembered is how many tokens are known to be good without another look at their signatures, which takes ten times as
	// long as all the rest of a request. Only good ones take a place.
	remembered = 4096
)

// JWKSDeps is what a [JWKSVerifier] needs.
type JWKSDeps struct {
	URL      string // of the JWKS document
	Issuer   string // default: DefaultIssuer
	Audience string // default: DefaultAudience
	// Client fetches the document; default: [http.DefaultClient].
	Client *http.Client
	// Leeway is how far the clocks of two machines may differ; default: DefaultLeeway.
	Leeway time.Duration
	Now    func() time.Time
}

// JWKSVerifier verifies access tokens with the keys that auth-service publishes. It fetches them when it first needs
// them, when those that it has are some minutes old, and when a token names a key that it does not know. While
// auth-service is away it goes on with the keys that it has: no new tokens are issued in that time, and those
// issued before expire by themselves, so this is bounded by the life of an access token. Safe for concurrent use.
type JWKSVerifier struct {
	rules  Rules
	url    string
	client *http.Client

	seen *lru.Cache[[sha256.Size]byte, verified] // by the sum of the token, so that no token lies about in memory

	mu      sync.Mutex
	keys    map[string]ed25519.PublicKey
	fetched time.Time     // when keys were fetched
	tried   time.Time     // when the last fetch ended, well or not
	failure error         // how it ended
	flight  chan struct{} // closed when the fetch that is under way ends; nil while none is
}

// verified is a token whose signature was checked, and by which key.
type verified struct {
	Claims
	kid string
	key ed25519.PublicKey
}

// NewJWKSVerifier returns a verifier. It fetches nothing yet.
func NewJWKSVerifier(d JWKSDeps) *JWKSVerifier {
	v := &JWKSVerifier{url: d.URL, client: d.Client,
		rules: Rules{Issuer: d.Issuer, Audience: d.Audience, Leeway: d.Leeway, Now: d.Now}}
	v.seen, _ = lru.New[[sha256.Size]byte, verified](remembered) // It fails on sizes below one only.
	if v.client == nil {
		v.client = http.DefaultClient
	}
	if v.rules.Now == nil {
		v.rules.Now = time.Now
	}
	if v.rules.Issuer == "" {
		v.rules.Issuer = DefaultIssuer
	}
	if v.rules.Audience == "" {
		v.rules.Audience = DefaultAudience
	}
	if v.rules.Leeway == 0 {
		v.rules.Leeway = DefaultLeeway
	}
	return v
}

// Verify implements [Verifier].
func (v *JWKSVerifier) Verify(ctx context.Context, token string) (User, error) {
	sum := sha256.Sum256([]byte(token))
	if c, ok := v.seen.Get(sum); ok && v.rules.Now().Before(c.Expires.Add(v.rules.Leeway)) {
		// The key may have been withdrawn since.
		if key, err := v.key(ctx, c.kid); err == nil && key.Equal(c.key) {
			return c.User, nil
		}
	}
	var c verified
	var err error
	c.Claims, err = v.rules.Check(ctx, token, func(ctx context.Context, kid string) (ed25519.PublicKey, error) {
		key, err := v.key(ctx, kid)
		c.kid, c.key = kid, key
		return key, err
	})
	if err == nil {
		v.seen.Add(sum, c)
	}
	return c.User, err
}

// key is the verifier's [KeySource].
func (v *JWKSVerifier) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	if wait := v.refresh(ctx, kid); wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch key, known := v.keys[kid]; {
	case known:
		return key, nil
	case v.failure != nil:
		return nil, unavailable(v.failure)
	default:
		return nil, fmt.Errorf("%w %.64q", ErrUnknownKey, kid)
	}
}

// refresh begins a fetch where one is due, and returns what the caller must wait for; nil where it need not. Of the
// callers whose key is known but old, one waits; the others go on with what there is.
func (v *JWKSVerifier) refresh(ctx context.Context, kid string) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.rules.Now()
	_, known := v.keys[kid]
	pause := fetchPause
	if v.failure != nil {
		pause = retryPause
	}
	switch {
	case known && (v.flight != nil || now.Sub(v.fetched) < freshFor):
		return nil
	case v.flight != nil:
		return v.flight
	case !v.tried.IsZero() && now.Sub(v.tried) < pause:
		return nil
	}
	v.flight = make(chan struct{})
	// The fetch is for all who wait, so it does not end with the request that happened to begin it.
	go v.fetch(context.WithoutCancel(ctx), v.flight)
	return v.flight
}

// fetch fetches the keys and ends the flight.
func (v *JWKSVerifier) fetch(ctx context.Context, flight chan<- struct{}) {
	keys, err := v.download(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tried, v.failure, v.flight = v.rules.Now(), err, nil
	if err == nil {
		v.keys, v.fetched = keys, v.tried
	}
	close(flight)
}

func (v *JWKSVerifier) download(ctx context.Context) (map[string]ed25519.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url, nil) //nolint:gosec // G704: the address is the operator's.
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	resp, err := v.client.Do(req) //nolint:gosec // G704: the address is the operator's.
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch JWKS from %s: %s", v.url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err != nil {
		return nil, fmt.Errorf("fetch JWKS: %w", err)
	}
	if len(body) > maxJWKS {
		return nil, fmt.Errorf("fetch JWKS from %s: larger than %d bytes", v.url, maxJWKS)
	}
	return ParseJWKS(body)
}

func unavailable(cause error) error {
	return caption.Errorf(caption.KindUnavailable, "Your sign-in cannot be checked at the moment. Try again in a few seconds.").
		WithCode("auth_unavailable").WithCause(cause)
}
