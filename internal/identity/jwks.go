package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// JWKSPath is where auth-service publishes its keys.
const JWKSPath = "/.well-known/jwks.json"

// JWK is a public Ed25519 key as RFC 7517 and RFC 8037 write it.
type JWK struct {
	KeyType   string `json:"kty"` // "OKP"
	Curve     string `json:"crv"` // "Ed25519"
	KeyID     string `json:"kid"`
	Use       string `json:"use,omitempty"` // "sig"
	Algorithm string `json:"alg,omitempty"` // "EdDSA"
	X         string `json:"x"`             // the key, base64url without padding
}

// JWKS is a set of public keys.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// NewJWK returns the JWK of a public key.
func NewJWK(kid string, key ed25519.PublicKey) JWK {
	return JWK{KeyType: "OKP", Curve: "Ed25519", KeyID: kid, Use: "sig", Algorithm: "EdDSA",
		X: base64.RawURLEncoding.EncodeToString(key)}
}

// ParseJWKS returns the keys of a JWKS document that can verify our tokens, by key id. As RFC 7517 asks, keys of
// other types and for other uses are passed over; a document without a usable key, or with a broken one, is an error.
func ParseJWKS(document []byte) (map[string]ed25519.PublicKey, error) {
	var set JWKS
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	keys := make(map[string]ed25519.PublicKey)
	for _, k := range set.Keys {
		if k.KeyType != "OKP" || k.Curve != "Ed25519" || (k.Use != "" && k.Use != "sig") || (k.Algorithm != "" && k.Algorithm != "EdDSA") {
			continue
		}
		x, err := base64.RawURLEncoding.Strict().DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("read JWKS: the key %.40q is no Ed25519 key", k.KeyID)
		}
		if _, twice := keys[k.KeyID]; twice || k.KeyID == "" {
			return nil, fmt.Errorf("read JWKS: the key id %.40q is empty or used twice", k.KeyID)
		}
		keys[k.KeyID] = x
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read JWKS: no usable key among %d", len(set.Keys))
	}
	return keys, nil
}
