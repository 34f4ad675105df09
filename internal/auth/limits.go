package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"k8s-scalers/internal/caption"
)

// Limit allows N events in each window.
type Limit struct {
	N      int
	Window time.Duration
}

// Limits are the rate limits of the service. An address is an IPv4 address or an IPv6 network of 64 bits, which is what
// one customer of a provider has.
//
// Attempts to sign in are counted three times: by address; by account and address; and by account. Locking an account
// alone would let anybody lock anybody out. So the limit by account and address is the tight one, and only attempts
// that it lets through count for the account: one attacker's address uses up at most its own share of the account's
// limit, while the owner at another address still signs in. Only an attack on one account from many addresses reaches
// the account's limit, and then new sign-ins to that account wait, even with the right password, because the one
// guess that is right must not be told from the owner. Sessions that exist are not touched: refreshing
// counts by address only.
//
// When the limiter itself is away, signing in and up are refused, as guessing would be unlimited, and
// refreshing goes on, as nobody guesses 256 random bits.
type Limits struct {
	LoginAddress Limit
	LoginPair    Limit // by account and address
	LoginAccount Limit
	Signup       Limit // by address
	Refresh      Limit // by address
}

// DefaultLimits returns limits that people do not notice.
func DefaultLimits() Limits {
	return Limits{
		LoginAddress: Limit{100, 10 * time.Minute},
		LoginPair:    Limit{10, 10 * time.Minute},
		LoginAccount: Limit{200, time.Hour},
		Signup:       Limit{30, time.Hour},
		Refresh:      Limit{600, 10 * time.Minute},
	}
}

// withDefaults fills in the limits that are not set.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	return Limits{
		LoginAddress: cmp.Or(l.LoginAddress, d.LoginAddress),
		LoginPair:    cmp.Or(l.LoginPair, d.LoginPair),
		LoginAccount: cmp.Or(l.LoginAccount, d.LoginAccount),
		Signup:       cmp.Or(l.Signup, d.Signup),
		Refresh:      cmp.Or(l.Refresh, d.Refresh),
	}
}

// ForwardedAddr returns the address of the client: the last one of X-Forwarded-For, which the gateway has added (those before
// it are hearsay), and without that the peer of the connection. It is right where all requests come through the gateway.
func ForwardedAddr(r *http.Request) string {
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	last := strings.TrimSpace(forwarded[strings.LastIndexByte(forwarded, ',')+1:])
	if a, err := netip.ParseAddr(last); err == nil {
		return a.String()
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// limits counts requests.
type limits struct {
	limiter caption.Limiter
	limits  Limits
	addr    func(*http.Request) string
}

func (l *limits) login(r *http.Request, email string) error {
	addr, account := l.network(r), digest(email)
	for _, c := range []struct {
		key   string
		limit Limit
	}{
		{"auth:login:address:" + addr, l.limits.LoginAddress},
		{"auth:login:pair:" + account + ":" + addr, l.limits.LoginPair},
		{"auth:login:account:" + account, l.limits.LoginAccount},
	} {
		if err := l.allow(r.Context(), c.key, c.limit); err != nil {
			return err
		}
	}
	return nil
}

func (l *limits) signup(r *http.Request) error {
	return l.allow(r.Context(), "auth:signup:"+l.network(r), l.limits.Signup)
}

func (l *limits) refresh(r *http.Request) error {
	err := l.allow(r.Context(), "auth:refresh:"+l.network(r), l.limits.Refresh)
	if caption.KindOf(err) == caption.KindRateLimited {
		return err
	}
	return nil
}

func (l *limits) allow(ctx context.Context, key string, limit Limit) error {
	ok, retryAfter, err := l.limiter.Allow(ctx, key, limit.N, limit.Window)
	if err != nil {
		return caption.Errorf(caption.KindUnavailable, "Signing in is not possible at the moment. Try again in a few seconds.").
			WithCode("limiter_unavailable").WithCause(fmt.Errorf("rate limiter: %w", err))
	}
	if !ok {
		e := caption.Errorf(caption.KindRateLimited, "Too many attempts. Wait %s, then try again.", waiting(retryAfter)).WithCode("too_many_attempts")
		e.RetryAfter = max(retryAfter, time.Second)
		return e
	}
	return nil
}

// network returns the part of the client's address that stands for one customer.
func (l *limits) network(r *http.Request) string {
	s := l.addr(r)
	a, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// digest keeps e-mail addresses out of the limiter's backend, and keys short.
func digest(email string) string {
	h := sha256.Sum256([]byte(email))
	return hex.EncodeToString(h[:16])
}

// waiting writes a pause for people.
func waiting(d time.Duration) string {
	if d <= 90*time.Second {
		return fmt.Sprintf("%d seconds", max(1, int((d+time.Second-1)/time.Second)))
	}
	return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
}
