package auth

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

func TestNormalEmail(t *testing.T) {
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 94) + "c" // 254 bytes
	require.Len(t, long, 254)
	for in, want := range map[string]string{
		"ann@example.org":              "ann@example.org",
		" Ann.B+tag@Example.ORG\r\n":   "ann.b+tag@example.org",
		"ann@localhost":                "ann@localhost",
		"o'hara!#$%&*/=?^`{|}~@x.org":  "o'hara!#$%&*/=?^`{|}~@x.org",
		"ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ":              "ann@example.org",
		"Jose\u0301@example.org":       "jos\u00e9@example.org",
		"MÜLLER@müller.de":             "müller@müller.de",
		"用户@例え.jp":                     "用户@例え.jp",
		long:                           long,
		"\u212Aelvin@example.org":      "kelvin@example.org",
		"ﬁne@example.org":              "fine@example.org",
		"admin'--@example.org":         "admin'--@example.org",
		"ann@xn--mller-kva.example":    "ann@xn--mller-kva.example",
		"\u2003ann@example.org\u00a0 ": "ann@example.org",
	} {
		got, err := normalEmail(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got, "%q", in)
	}
	for _, in := range []string{
		"", " ", "ann", "@", "ann@", "@example.org", "ann@@example.org", "ann@example.org@example.com", "ann@example..org", ".ann@example.org",
		"ann.@example.org", "an n@example.org", "Ann <ann@example.org>", "<ann@example.org>", "ann@example.org (Ann)", "ann@example.org,bob@example.org",
		`"ann"@example.org`, `"an n"@example.org`, `"a@b"@example.org`, "ann@[127.0.0.1]", "ann@[IPv6:::1]",
		"ann\x00@example.org", "ann\n@example.org", "ann@example.org\nbcc: x@example.org", "ann\u200b@example.org", "ann\u202e@example.org",
		"ann\u00ad@example.org", "\ufeffann@example.org", "ann\xff@example.org", "ann\ufffd@example.org", "ann@exam\u2028ple.org",
		strings.Repeat("a", 65) + "@example.org", "x" + long, strings.Repeat("a", 1<<20), "ann@" + strings.Repeat("b", 300),
		"group: ann@example.org;", "=?utf-8?q?ann?=@example.org>",
	} {
		got, err := normalEmail(in)
		require.Equal(t, caption.KindInvalid, caption.KindOf(err), "%.80q became %q", in, got)
		require.Equal(t, "bad_email", caption.CodeOf(err))
	}
}

func FuzzNormalEmail(f *testing.F) {
	for _, s := range []string{"ann@example.org", "Ann <ann@example.org>", "ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ", "İ@ſ.org", `"a b"@[1.2.3.4]`, "ǅ@ϓ.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := normalEmail(s)
		if err != nil {
			return
		}
		if twice, err := normalEmail(once); err != nil || twice != once {
			t.Fatalf("%q becomes %q and then %q, %v", s, once, twice, err)
		}
		if len(once) > 254 || !utf8.ValidString(once) || strings.ContainsAny(once, " \t\r\n\"<>,;\x00") || strings.Count(once, "@") != 1 {
			t.Fatalf("%q becomes %q", s, once)
		}
	})
}
