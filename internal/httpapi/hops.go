package httpapi

import (
	"net/http"
	"net/netip"
	"strings"

	"k8s-scalers/internal/caption"
)

// Hops are the networks of proxies that are believed what they say about a request: its X-Request-Id and its
// X-Forwarded headers. For a service that is where the gateway runs; for the gateway, the load balancer before it.
type Hops []netip.Prefix

// Loopback returns the hops of a deployment in one process.
func Loopback() Hops {
	return Hops{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// ParseHops reads networks (10.0.0.0/8) and single addresses.
func ParseHops(list ...string) (Hops, error) {
	var h Hops
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, addrErr := netip.ParseAddr(s)
			if addrErr != nil {
				return nil, caption.Errorf(caption.KindInvalid, "%q is neither a network such as 10.0.0.0/8 nor an address: correct the list of trusted proxies.", s).WithCause(err)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		h = append(h, p.Masked())
	}
	return h, nil
}

// Trusts tells whether the sender of the request itself, not whom it speaks for, is one of the hops.
func (h Hops) Trusts(r *http.Request) bool { return h.contains(parseAddr(r.RemoteAddr)) }

func (h Hops) contains(a netip.Addr) bool {
	for _, p := range h {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address that the request comes from: the last one that a trusted hop has seen.
func (h Hops) client(r *http.Request) netip.Addr {
	a := parseAddr(r.RemoteAddr)
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(chain) - 1; i >= 0 && h.contains(a); i-- {
		before := parseAddr(strings.TrimSpace(chain[i]))
		if !before.IsValid() {
			break
		}
		a = before
	}
	return a
}

// parseAddr reads an address with or without a port. The zero Addr stands for what is neither.
func parseAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
