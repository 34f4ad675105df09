package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"k8s-scalers/internal/caption"
)

// Hashing is what hashing a password with argon2id costs.
type Hashing struct {
	MemoryKiB  uint32
	Passes     uint32
	Lanes      uint8
	Concurrent int // hashes computed at a time; so the memory for all of them is bounded
}

// DefaultHashing returns what OWASP recommends where memory is dear: 19 MiB and two passes.
func DefaultHashing() Hashing {
	return Hashing{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1, Concurrent: min(max(2, runtime.GOMAXPROCS(0)), 8)}
}

const (
	minPassword = 8    // characters
	maxPassword = 1024 // bytes
	saltLen     = 16
	hashLen     = 32
	// hashQueue is how long a request waits for its turn to hash.
	hashQueue = 5 * time.Second
)

// checkNewPassword tells whether a password may be chosen for an account.
func checkNewPassword(password, email string) error {
	bad := func(code, message string) error {
		return caption.Errorf(caption.KindInvalid, "%s", message).WithCode(code)
	}
	switch {
	case len(password) > maxPassword:
		return bad("password_too_long", "The password is too long: 1,024 bytes are the most.")
	case strings.ContainsRune(password, utf8.RuneError):
		// The JSON reader puts this character where the input was no UTF-8, so different passwords would become one.
		return bad("password_not_text", "The password contains something that is no text. Send it as UTF-8.")
	case utf8.RuneCountInString(password) < minPassword:
		return bad("password_too_short", "The password is too short: use 8 characters or more.")
	}
	if same, err := normalEmail(password); err == nil && same == email {
		return bad("password_is_email", "The password must not be your e-mail address. Choose another one.")
	}
	return nil
}

// hasher computes and verifies password hashes. Safe for concurrent use.
type hasher struct {
	cost  Hashing
	slots chan struct{}
	dummy string // hash of no password, at the current cost
	count prometheus.Counter
}

func newHasher(cost Hashing, count prometheus.Counter) (*hasher, error) {
	p := phc{memory: cost.MemoryKiB, passes: cost.Passes, lanes: cost.Lanes, salt: randomBytes(saltLen), sum: randomBytes(hashLen)}
	if p.check() != nil || cost.Concurrent < 1 {
		return nil, fmt.Errorf("auth: the cost of password hashing %+v is out of bounds", cost)
	}
	return &hasher{cost: cost, slots: make(chan struct{}, cost.Concurrent), dummy: p.String(), count: count}, nil
}

// hash returns the hash of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	p := phc{memory: h.cost.MemoryKiB, passes: h.cost.Passes, lanes: h.cost.Lanes, salt: randomBytes(saltLen), sum: make([]byte, hashLen)}
	var err error
	p.sum, err = h.compute(ctx, p, password)
	return p.String(), err
}

// verify tells whether password is the one of encoded, and whether encoded was made at another cost than the present one.
func (h *hasher) verify(ctx context.Context, encoded, password string) (ok, stale bool, err error) {
	p, err := parsePHC(encoded)
	if err != nil {
		return false, false, err
	}
	got, err := h.compute(ctx, p, password)
	if err != nil {
		return false, false, err
	}
	stale = p.memory != h.cost.MemoryKiB || p.passes != h.cost.Passes || p.lanes != h.cost.Lanes || len(p.sum) != hashLen
	return subtle.ConstantTimeCompare(got, p.sum) == 1, stale, nil
}

// verifyNobody does the work of verify for an account that does not exist.
func (h *hasher) verifyNobody(ctx context.Context, password string) error {
	_, _, err := h.verify(ctx, h.dummy, password)
	return err
}

func (h *hasher) compute(ctx context.Context, p phc, password string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, hashQueue)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, caption.Errorf(caption.KindUnavailable, "Too many people are signing in at the moment. Try again in a few seconds.").
			WithCode("sign_in_busy").WithCause(ctx.Err())
	}
	h.count.Inc()
	// Keyboards write the same letter in different ways, "é" as one character or as two; so both are made one.
	return argon2.IDKey([]byte(norm.NFKC.String(password)), p.salt, p.passes, p.memory, p.lanes, uint32(len(p.sum))), nil
}

// phc is an argon2id hash in PHC string format: $argon2id$v=19$m=19456,t=2,p=1$<salt>$<sum>, base64 without padding.
type phc struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.sum))
}

var errBadHash = errors.New("the stored password hash is not one of argon2id in PHC format within bounds")

func parsePHC(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil {
		return phc{}, errBadHash
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	p.sum, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	// Writing it again catches what the scanner is lenient about, such as trailing text.
	if err1 != nil || err2 != nil || p.check() != nil || p.String() != s {
		return phc{}, errBadHash
	}
	return p, nil
}

// check keeps a damaged or planted hash from taking all memory or all time.
func (p phc) check() error {
	if p.lanes < 1 || p.lanes > 16 || p.passes < 1 || p.passes > 64 || p.memory < 8*uint32(p.lanes) || p.memory > 256<<10 ||
		len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 {
		return errBadHash
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // It never fails: it ends the process instead.
	return b
}
