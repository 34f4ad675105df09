package auth

import (
	"net/http"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
)

// CookieName is the name of the cookie that holds a browser's refresh token.
const CookieName = "captions_refresh"

// readRefreshToken returns the refresh token of the body, or else of the cookie; it is empty where there is none.
func readRefreshToken(r *http.Request) (token string, byCookie bool, err error) {
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if r.ContentLength != 0 { // A browser that relies on its cookie needs no body.
		if err := httpapi.ReadJSON(r, &in, maxBody); err != nil {
			return "", false, err
		}
	}
	if in.RefreshToken != "" {
		return in.RefreshToken, false, nil
	}
	c, err := r.Cookie(CookieName)
	if err != nil {
		return "", false, nil //nolint:nilerr // No cookie is no fault.
	}
	return c.Value, true, sameOrigin(r)
}

// setCookie keeps a refresh token in the browser: out of reach of scripts, sent to this service only, and never with a
// request that another site began.
func setCookie(w http.ResponseWriter, r *http.Request, token string, life time.Duration) {
	cookie(w, r, token, max(1, int(life.Seconds())))
}

func clearCookie(w http.ResponseWriter, r *http.Request) { cookie(w, r, "", -1) }

func cookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure follows the scheme: on a laptop there is no HTTPS.
		Name: CookieName, Value: value, Path: "/api/v1/auth", MaxAge: maxAge,
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
	})
}

// secure tells whether the browser came by HTTPS. The gateway says so, and it removes what clients say.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// sameOrigin refuses requests of pages of other origins where the cookie is used. SameSite alone lets pages of another
// port or a sibling domain through.
func sameOrigin(r *http.Request) error {
	if host := r.Header.Get("X-Forwarded-Host"); host != "" { // The name that the browser knows us by.
		r = r.WithContext(r.Context())
		r.Host = host
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return caption.Errorf(caption.KindForbidden, "Pages of other sites cannot use this sign-in.").WithCode("cross_origin").WithCause(err)
	}
	return nil
}
