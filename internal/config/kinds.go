package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Bytes is a number of bytes, written as 20GiB, 500MB or 1048576.
type Bytes int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bytes) UnmarshalText(text []byte) error {
	bad := errors.New("must be a size such as 20GiB or 500MB")
	s := strings.TrimSpace(string(text))
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(s)
	}
	var n int64
	if _, err := fmt.Sscan(s[:i], &n); err != nil {
		return bad
	}
	unit, ok := map[string]int64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[strings.TrimSpace(s[i:])]
	if !ok || n > (1<<62)/unit {
		return bad
	}
	*b = Bytes(n * unit)
	return nil
}

// BaseURL is the address of a service, which may have a path.
type BaseURL string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *BaseURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be an address such as http://host:8080")
	}
	*b = BaseURL(strings.TrimRight(string(text), "/"))
	return nil
}

// URL returns the address.
func (b BaseURL) URL() *url.URL {
	u, err := url.Parse(string(b))
	if err != nil { // It was read by UnmarshalText.
		return &url.URL{}
	}
	return u
}

// Origin is the address of a server, without a path.
type Origin string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (o *Origin) UnmarshalText(text []byte) error {
	var b BaseURL
	if err := b.UnmarshalText(text); err != nil || b.URL().Path != "" {
		return errors.New("must be the address of an S3 server such as http://host:9000, without a path (a folder is for captions serve, whose S3 server is in the process)")
	}
	*o = Origin(b)
	return nil
}

var schemeForm = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,30}$`)

// scheme notes a URL that does not begin with one of the schemes. A missing URL is another mistake.
func (m mistakes) scheme(name, rawURL, advice string, schemes ...string) {
	scheme, _, ok := strings.Cut(rawURL, ":")
	switch {
	case rawURL == "" || slices.Contains(schemes, scheme):
	case scheme == "sqlite" || scheme == "memory" || scheme == "file":
		m.add(name, "begins with %s:, which one process cannot share with others; captions serve uses that. %s", scheme, advice)
	case ok && schemeForm.MatchString(scheme): // Anything else may be part of a password.
		m.add(name, "begins with %s:, which is not known here. %s", scheme, advice)
	default:
		m.add(name, "is no URL. %s", advice)
	}
}
