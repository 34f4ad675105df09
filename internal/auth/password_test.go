package auth

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func testHasher(t *testing.T, cost Hashing) *hasher {
	t.Helper()
	h, err := newHasher(cost, prometheus.NewCounter(prometheus.CounterOpts{Name: "hashes"}))
	require.NoError(t, err)
	return h
}

// referenceHash was made by the program of argon2's authors, with the arguments
// "somesalt8bytes -id -t 2 -k 64 -p 1 -l 32 -e" and the password "correct horse" as its input.
const referenceHash = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ4Ynl0ZXM$T1GSrMgyunK58joZNhpZmMjiHp1Zu4PqovTFy4+HCNA"

func TestHashOfTheReferenceProgram(t *testing.T) {
	h := testHasher(t, DefaultHashing())
	ok, stale, err := h.verify(t.Context(), referenceHash, "correct horse")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, stale)
	ok, _, err = h.verify(t.Context(), referenceHash, "correct horsf")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestDefaultHashing(t *testing.T) {
	h := testHasher(t, DefaultHashing())
	first, err := h.hash(t.Context(), "password")
	require.NoError(t, err)
	second, err := h.hash(t.Context(), "password")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$"), first)
	require.NotEqual(t, first, second, "each has a salt of its own")
	ok, stale, err := h.verify(t.Context(), first, "password")
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, stale)

	got, err := parsePHC(h.dummy)
	require.NoError(t, err)
	want, err := parsePHC(first)
	require.NoError(t, err)
	require.Equal(t, []any{want.memory, want.passes, want.lanes, len(want.salt), len(want.sum)},
		[]any{got.memory, got.passes, got.lanes, len(got.salt), len(got.sum)}, "the work for nobody is the work for somebody")
}

const salt, hash32 = "c29tZXNhbHQ4Ynl0ZXM", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestHashesThatAreRefused(t *testing.T) {
	good := "$argon2id$v=19$m=64,t=2,p=1$" + salt + "$" + hash32
	_, err := parsePHC(good)
	require.NoError(t, err)
	for _, s := range []string{
		"", "$", "password", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64", "m=7", 1), strings.Replace(good, "m=64", "m=4294967295", 1), strings.Replace(good, "m=64", "m=4294967296", 1),
		strings.Replace(good, "m=64", "m=064", 1), strings.Replace(good, "m=64", "m=-64", 1), strings.Replace(good, "t=2", "t=0", 1),
		strings.Replace(good, "t=2", "t=100000", 1), strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1),
		strings.Replace(good, "p=1", "p=1,x=2", 1), strings.Replace(good, salt, "c2FsdA", 1), strings.Replace(good, salt, salt+"=", 1),
		strings.Replace(good, hash32, "AAAA", 1), strings.Replace(good, hash32, strings.Repeat("A", 400), 1), good + "$", good + "\n", " " + good,
	} {
		_, err := parsePHC(s)
		require.ErrorIs(t, err, errBadHash, "%q", s)
	}
	_, _, err = testHasher(t, DefaultHashing()).verify(t.Context(), "plain", "plain")
	require.Equal(t, caption.KindInternal, caption.KindOf(err), "a damaged hash is our fault and not a wrong password")
}

func FuzzParsePHC(f *testing.F) {
	f.Add(referenceHash)
	f.Add("$argon2id$v=19$m=64,t=2,p=1$" + salt + "$" + hash32)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err == nil && (p.String() != s || p.memory > 256<<10 || p.passes > 64) {
			t.Fatalf("%q was read as %+v", s, p)
		}
	})
}

// Many sign-ins at once must not take all memory: with the slots taken, the others wait.
func TestWaitingForAHashIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testHasher(t, Hashing{MemoryKiB: 64, Passes: 1, Lanes: 1, Concurrent: 1})
		h.slots <- struct{}{} // Somebody hashes for ever.
		begin := time.Now()
		_, err := h.hash(t.Context(), "password")
		require.Equal(t, caption.KindUnavailable, caption.KindOf(err))
		require.Equal(t, hashQueue, time.Since(begin))

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, caption.KindUnavailable, caption.KindOf(h.verifyNobody(ctx, "password")), "the client is gone")
		<-h.slots
		for range 3 {
			_, err = h.hash(t.Context(), "password")
			require.NoError(t, err, "a slot is given back after use")
		}
	})
}
