// Package accountstest is the conformance suite of the accounts store. Every adapter runs it; it is imported by tests
// only.
package accountstest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/accounts"
	"k8s-scalers/internal/caption"
)

// Run runs the suite. open opens the store of an empty database, the same one each time within one test t, and closes it
// when t ends, or earlier when close is called.
func Run(t *testing.T, open func(t *testing.T) (store accounts.Store, closeStore func())) {
	tests := []struct {
		name string
		run  func(t *testing.T, s accounts.Store)
	}{
		{"users", users},
		{"an e-mail has one user", oneUserPerEmail},
		{"replace a password hash", replaceHash},
		{"sessions", sessionLife},
		{"a session needs a user", sessionNeedsUser},
		{"rotate a session", rotate},
		{"one of many rotations wins", rotateRace},
		{"no rotation survives the end", endRace},
		{"purge", purge},
		{"keys", keys},
		{"one of many keys with a serial wins", keyRace},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := open(t)
			test.run(t, s)
		})
	}
	t.Run("what is stored outlives the store", func(t *testing.T) {
		s, closeStore := open(t)
		u := addUser(t, s, "ann@example.org")
		x := addSession(t, s, u)
		k := key(1)
		require.NoError(t, s.AddKey(t.Context(), k))
		closeStore()
		s, _ = open(t)
		gotUser, err := s.UserByEmail(t.Context(), u.Email)
		require.NoError(t, err)
		equal(t, u, gotUser)
		gotSession, err := s.Session(t.Context(), x.ID)
		require.NoError(t, err)
		equal(t, x, gotSession)
		gotKeys, err := s.Keys(t.Context())
		require.NoError(t, err)
		equal(t, []accounts.SigningKey{k}, gotKeys)
	})
	t.Run("a closed store fails", func(t *testing.T) {
		s, closeStore := open(t)
		closeStore()
		_, err := s.Keys(t.Context())
		require.Error(t, err, "a failed read is no empty list")
		_, err = s.User(t.Context(), caption.NewID())
		require.Error(t, err)
		require.Equal(t, caption.KindInternal, caption.KindOf(err), "a failed read is no missing user")
		_, err = s.Session(t.Context(), caption.NewID())
		require.Equal(t, caption.KindInternal, caption.KindOf(err))
		require.Equal(t, caption.KindInternal, caption.KindOf(s.RotateSession(t.Context(), accounts.Session{})))
	})
}

// racers is how many goroutines compete in the tests of concurrency.
const racers = 20

// start is a moment with a resolution that every store keeps.
var start = time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC)

func users(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	for _, email := range []string{"ann@example.org", "o'hara@example.org", `x";--@example.org`, "grün@例え.jp"} {
		u := addUser(t, s, email)
		got, err := s.User(ctx, u.ID)
		require.NoError(t, err)
		equal(t, u, got)
		got, err = s.UserByEmail(ctx, u.Email)
		require.NoError(t, err)
		equal(t, u, got)
	}
	_, err := s.User(ctx, caption.NewID())
	requireKind(t, caption.KindNotFound, err)
	_, err = s.UserByEmail(ctx, "nobody@example.org")
	requireKind(t, caption.KindNotFound, err)
	_, err = s.UserByEmail(ctx, "%@example.org")
	requireKind(t, caption.KindNotFound, err)
}

func oneUserPerEmail(t *testing.T, s accounts.Store) {
	var won atomic.Int32
	race(func(int) {
		err := s.CreateUser(t.Context(), accounts.User{ID: caption.NewID(), Email: "ann@example.org", PasswordHash: "h", Created: start})
		if err == nil {
			won.Add(1)
			return
		}
		if caption.KindOf(err) != caption.KindConflict || caption.CodeOf(err) != accounts.CodeEmailTaken {
			t.Errorf("unexpected error: %v", err)
		}
	})
	require.EqualValues(t, 1, won.Load())
}

func replaceHash(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	ann, bob := addUser(t, s, "ann@example.org"), addUser(t, s, "bob@example.org")
	require.NoError(t, s.ReplacePasswordHash(ctx, ann.ID, ann.PasswordHash, "new"))
	requireKind(t, caption.KindConflict, s.ReplacePasswordHash(ctx, ann.ID, ann.PasswordHash, "newer"))
	requireKind(t, caption.KindConflict, s.ReplacePasswordHash(ctx, caption.NewID(), ann.PasswordHash, "newer"))
	got, err := s.User(ctx, ann.ID)
	require.NoError(t, err)
	require.Equal(t, "new", got.PasswordHash)
	got, err = s.User(ctx, bob.ID)
	require.NoError(t, err)
	equal(t, bob, got)
}

func sessionLife(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	u := addUser(t, s, "ann@example.org")
	x, other := addSession(t, s, u), addSession(t, s, u)
	got, err := s.Session(ctx, x.ID)
	require.NoError(t, err)
	equal(t, x, got)
	require.NoError(t, s.EndSession(ctx, x.ID))
	require.NoError(t, s.EndSession(ctx, x.ID), "ending an ended session is no error")
	_, err = s.Session(ctx, x.ID)
	requireKind(t, caption.KindNotFound, err)
	got, err = s.Session(ctx, other.ID)
	require.NoError(t, err, "the user's other session goes on")
	equal(t, other, got)
}

func sessionNeedsUser(t *testing.T, s accounts.Store) {
	err := s.CreateSession(t.Context(), accounts.Session{ID: caption.NewID(), UserID: caption.NewID(), Current: "c", Created: start, Expires: start})
	require.Error(t, err)
}

func rotate(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	u := addUser(t, s, "ann@example.org")
	x, other := addSession(t, s, u), addSession(t, s, u)
	next := x
	next.Previous, next.Current, next.Seed, next.Rotated, next.Expires = x.Current, "second", "seed", start.Add(time.Minute), start.Add(2*time.Hour)
	change := next
	change.UserID, change.Created = "", time.Time{} // They are not part of a rotation.
	require.NoError(t, s.RotateSession(ctx, change))
	got, err := s.Session(ctx, x.ID)
	require.NoError(t, err)
	equal(t, next, got)

	change.Current = "third"
	requireKind(t, caption.KindConflict, s.RotateSession(ctx, change))
	got, err = s.Session(ctx, x.ID)
	require.NoError(t, err)
	equal(t, next, got)
	got, err = s.Session(ctx, other.ID)
	require.NoError(t, err)
	equal(t, other, got)

	change.ID = caption.NewID()
	requireKind(t, caption.KindConflict, s.RotateSession(ctx, change))
}

func rotateRace(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	x := addSession(t, s, addUser(t, s, "ann@example.org"))
	current := x.Current
	for round := range 5 {
		var mu sync.Mutex
		var winners []string
		race(func(i int) {
			next := x
			next.Previous, next.Current, next.Rotated = current, fmt.Sprintf("round %d racer %d", round, i), start
			err := s.RotateSession(ctx, next)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				winners = append(winners, next.Current)
				return
			}
			if caption.KindOf(err) != caption.KindConflict {
				t.Errorf("unexpected error: %v", err)
			}
		})
		require.Len(t, winners, 1)
		got, err := s.Session(ctx, x.ID)
		require.NoError(t, err)
		require.Equal(t, winners[0], got.Current)
		require.Equal(t, current, got.Previous)
		current = got.Current
	}
}

func endRace(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	u := addUser(t, s, "ann@example.org")
	for range 10 {
		x := addSession(t, s, u)
		race(func(i int) {
			if i == racers/2 {
				if err := s.EndSession(ctx, x.ID); err != nil {
					t.Errorf("unexpected error: %v", err)
				}
				return
			}
			next := x
			next.Previous, next.Current = x.Current, fmt.Sprint("racer ", i)
			if err := s.RotateSession(ctx, next); err != nil && caption.KindOf(err) != caption.KindConflict {
				t.Errorf("unexpected error: %v", err)
			}
		})
		_, err := s.Session(ctx, x.ID)
		requireKind(t, caption.KindNotFound, err)
	}
}

func purge(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	u := addUser(t, s, "ann@example.org")
	add := func(expires time.Time) accounts.Session {
		x := accounts.Session{ID: caption.NewID(), UserID: u.ID, Current: "c", Created: start, Expires: expires}
		require.NoError(t, s.CreateSession(ctx, x))
		return x
	}
	past, now, future := add(start.Add(-time.Hour)), add(start), add(start.Add(time.Microsecond))
	n, err := s.PurgeSessions(ctx, start)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, err = s.Session(ctx, past.ID)
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Session(ctx, now.ID)
	requireKind(t, caption.KindNotFound, err)
	_, err = s.Session(ctx, future.ID)
	require.NoError(t, err)
	n, err = s.PurgeSessions(ctx, start)
	require.NoError(t, err)
	require.Zero(t, n)
}

func keys(t *testing.T, s accounts.Store) {
	ctx := t.Context()
	got, err := s.Keys(ctx)
	require.NoError(t, err)
	require.Empty(t, got)
	second, first, tenth := key(2), key(1), key(10)
	for _, k := range []accounts.SigningKey{second, tenth, first} {
		require.NoError(t, s.AddKey(ctx, k))
	}
	got, err = s.Keys(ctx)
	require.NoError(t, err)
	equal(t, []accounts.SigningKey{first, second, tenth}, got)

	requireKind(t, caption.KindConflict, s.AddKey(ctx, key(2)))
	sameID := key(3)
	sameID.ID = first.ID
	requireKind(t, caption.KindConflict, s.AddKey(ctx, sameID))

	require.NoError(t, s.DropKey(ctx, first.ID))
	require.NoError(t, s.DropKey(ctx, first.ID), "dropping a dropped key is no error")
	got, err = s.Keys(ctx)
	require.NoError(t, err)
	equal(t, []accounts.SigningKey{second, tenth}, got)
}

func keyRace(t *testing.T, s accounts.Store) {
	var won atomic.Int32
	race(func(int) {
		err := s.AddKey(t.Context(), key(1))
		if err == nil {
			won.Add(1)
			return
		}
		if caption.KindOf(err) != caption.KindConflict {
			t.Errorf("unexpected error: %v", err)
		}
	})
	require.EqualValues(t, 1, won.Load())
}

func addUser(t *testing.T, s accounts.Store, email string) accounts.User {
	t.Helper()
	u := accounts.User{ID: caption.NewID(), Email: email, PasswordHash: "$argon2id$" + email, Created: start}
	require.NoError(t, s.CreateUser(t.Context(), u))
	return u
}

func addSession(t *testing.T, s accounts.Store, u accounts.User) accounts.Session {
	t.Helper()
	x := accounts.Session{ID: caption.NewID(), UserID: u.ID, Current: "first " + caption.NewID(), Created: start, Expires: start.Add(time.Hour)}
	require.NoError(t, s.CreateSession(t.Context(), x))
	return x
}

func key(serial int) accounts.SigningKey {
	return accounts.SigningKey{ID: caption.NewID(), Serial: serial, Seed: []byte(strings.Repeat("\x00\xff", 16)),
		Created: start, Activates: start.Add(time.Hour)}
}

// race calls f from several goroutines at once and waits for all of them.
func race(f func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	wg.Wait()
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got))
}

func requireKind(t *testing.T, want caption.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, caption.KindOf(err), "%v", err)
}
