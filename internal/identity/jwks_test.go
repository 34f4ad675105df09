package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/identity"
)

// The example of RFC 8037, appendix A.2.
const rfc8037X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

func TestJWKSForm(t *testing.T) {
	x, err := base64.RawURLEncoding.DecodeString(rfc8037X)
	require.NoError(t, err)
	b, err := json.Marshal(identity.JWKS{Keys: []identity.JWK{identity.NewJWK("k1", x)}})
	require.NoError(t, err)
	require.JSONEq(t, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","alg":"EdDSA","x":"`+rfc8037X+`"}]}`, string(b))
	keys, err := identity.ParseJWKS(b)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.EqualValues(t, x, keys["k1"])
}

func TestParseJWKS(t *testing.T) {
	const good = `{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"` + rfc8037X + `"}`
	for name, test := range map[string]struct {
		document string
		keys     int // 0: refused
	}{
		"one key":               {`{"keys":[` + good + `]}`, 1},
		"others are passed":     {`{"keys":[{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"X25519","kid":"x","x":"AA"},` + good + `]}`, 1},
		"for encryption":        {`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","kid":"k1","x":"` + rfc8037X + `"}]}`, 0},
		"of another algorithm":  {`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"HS256","kid":"k1","x":"` + rfc8037X + `"}]}`, 0},
		"no keys":               {`{"keys":[]}`, 0},
		"null":                  {`null`, 0},
		"a list":                {`[]`, 0},
		"nothing":               {``, 0},
		"a short key":           {`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"AAAA"}]}`, 0},
		"a key in other base64": {`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}]}`, 0},
		"no key id":             {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + rfc8037X + `"}]}`, 0},
		"a key id twice":        {`{"keys":[` + good + `,` + good + `]}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := identity.ParseJWKS([]byte(test.document))
			if test.keys == 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Len(t, keys, test.keys)
		})
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"` + rfc8037X + `"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := identity.ParseJWKS(document)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("%d keys, error %v", len(keys), err)
		}
		for kid, key := range keys {
			if kid == "" || len(key) != 32 {
				t.Fatalf("key %q of %d bytes", kid, len(key))
			}
		}
	})
}
