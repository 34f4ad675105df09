// Package accounts holds what auth-service stores: users, the sessions that their refresh tokens belong to, and the
// keys that sign access tokens, with the ports to the store. Adapters live in the folders below (sqlaccounts),
// the conformance suite that each of them passes in accountstest; what is done with the records lives in package auth.
//
// Every port is safe for concurrent use, and every method is atomic, and durable when it returns. Times are kept to the
// microsecond and come back in UTC; a zero time comes back as a zero time. Errors without a kind given below are
// faults of the store: [caption.KindUnavailable] while its database is away, else [caption.KindInternal].
package accounts

import (
	"context"
	"time"

	"k8s-scalers/internal/caption"
)

// User is one account.
type User struct {
	ID           string
	Email        string // normalised by package auth; unique
	PasswordHash string // argon2id in PHC string format
	Created      time.Time
}

// Users stores users.
type Users interface {
	// CreateUser stores a new user. [caption.KindConflict] with [CodeEmailTaken] where another user has that e-mail.
	CreateUser(ctx context.Context, u User) error
	// User returns the user of that id; [caption.KindNotFound] for an unknown one.
	User(ctx context.Context, id string) (User, error)
	// UserByEmail returns the user of a normalised e-mail; [caption.KindNotFound] for an unknown one.
	UserByEmail(ctx context.Context, email string) (User, error)
	// ReplacePasswordHash stores a new hash if the stored one is still old; else [caption.KindConflict], also for
	// an unknown id.
	ReplacePasswordHash(ctx context.Context, id, old, hash string) error
}

// Session is what a login begins: the family of refresh tokens of which each replaced the one before. Only SHA-256 sums of
// tokens are stored, so that reading the store gives nobody a token.
//
// One record stands for the whole family: a token names its session, and a token of the session that is not its
// current one is an old one. So a stolen old token is recognised however old it is, at the cost of one row a login.
type Session struct {
	ID      string
	UserID  string
	Current string // sum of the token that may be exchanged next
	// Previous is the sum of the token that Current replaced, and Seed is the random value from which, together with
	// that token itself, Current was derived. Both are empty before the first rotation.
	Previous string
	Seed     string
	Rotated  time.Time // when Current replaced Previous; zero before the first rotation
	Created  time.Time
	Expires  time.Time // nothing can be exchanged at or after this time
}

// Sessions stores sessions.
type Sessions interface {
	// CreateSession stores a new session of an existing user.
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session, expired or not; [caption.KindNotFound] for an unknown or ended one.
	Session(ctx context.Context, id string) (Session, error)
	// RotateSession stores Current, Previous, Seed, Rotated and Expires of next if the stored Current is next.Previous.
	// Else, and for an unknown or ended session, it stores nothing and returns [caption.KindConflict]. Of several
	// calls at once with the same Previous and each a Current of its own exactly one succeeds, and none does after EndSession.
	RotateSession(ctx context.Context, next Session) error
	// EndSession forgets the session, so that no token of the family works again; an unknown id is no error.
	EndSession(ctx context.Context, id string) error
}

// SessionPurger removes what has expired.
type SessionPurger interface {
	// PurgeSessions forgets sessions that expired at or before t, and returns how many.
	PurgeSessions(ctx context.Context, t time.Time) (int, error)
}

// SigningKey is a key that signs access tokens. Its private part lies in the store as it is, because all replicas of
// auth-service sign with the same keys. Whoever can read this store can therefore sign in as anybody; the same person could,
// by writing, set any password. Guard both alike: a database of its own, with its own credentials and encrypted disks.
type SigningKey struct {
	ID        string // "kid" in tokens and in the JWKS
	Serial    int    // 1, 2, 3, …; unique
	Seed      []byte // the 32 bytes of RFC 8032 that an Ed25519 private key is made from
	Created   time.Time
	Activates time.Time // signs from here until the next key's Activates
}

// Keys stores signing keys.
type Keys interface {
	// Keys returns all keys in the order of their serials.
	Keys(ctx context.Context) ([]SigningKey, error)
	// AddKey stores a key; [caption.KindConflict] where its serial or id is taken, so that of several replicas which
	// rotate at the same time one does.
	AddKey(ctx context.Context, k SigningKey) error
	// DropKey forgets a key; an unknown id is no error.
	DropKey(ctx context.Context, id string) error
}

// Store is everything that auth-service needs of its database.
type Store interface {
	Users
	Sessions
	SessionPurger
	Keys
}

// CodeEmailTaken is the code of the error of CreateUser where the e-mail is another user's.
const CodeEmailTaken = "email_taken"

// ErrEmailTaken returns the error of CreateUser where the e-mail is another user's.
func ErrEmailTaken() error {
	return caption.Errorf(caption.KindConflict, "There is already an account with this e-mail address. Sign in instead.").WithCode(CodeEmailTaken)
}
