package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// A log at its most talkative names requests and jobs, and holds nothing that lets its readers in, or tells what was said.
func TestLogsKeepSecrets(t *testing.T) {
	d := processes{filepath.Join(run.binaries, "captions")}.Launch(t, Options{Settings: map[string]string{"LOG_LEVEL": "debug"}}).(*process)
	e := &Env{Deployment: d, Fixtures: run.fixtures, contract: run.contract}
	ada := e.user(t)
	content := e.Fixtures.bytes(t, "big.avi")
	up := ada.createUpload("walk.avi", int64(len(content)), "")
	signed := ada.signParts(up.ID, allParts(up)...)
	tampered := strings.Replace(signed[0].URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1)
	status, _ := ada.put(tampered, content[:signed[0].Size])
	require.NotEqual(t, http.StatusOK, status)
	ada.sendParts(up, content, allParts(up)...)
	ada.do("POST", "/api/v1/uploads/"+up.ID+"/complete", nil).is(http.StatusOK).into(&up)
	j := ada.caption(up.ID, map[string]any{"language": "en"})
	ticket := ada.ticket(j.ID)
	watching := follower{contract: e.contract}
	closed, err := watching.byWebSocket(within(t), ada, j.ID, ticket)
	require.NoError(t, err)
	require.Equal(t, websocket.StatusNormalClosure, closed)
	tr := ada.processed(j.ID)
	// What goes wrong is told more of.
	ada.do("POST", "/api/v1/auth/login", map[string]any{"email": ada.email, "password": "not-the-password-1"}, anonymous).is(http.StatusUnauthorized)
	ada.do("GET", "/api/v1/captions/"+j.ID, nil, token(ada.session.AccessToken+"x")).is(http.StatusUnauthorized)

	secrets := map[string]string{
		"password": ada.password, "a wrong password": "not-the-password-1", "access token": ada.session.AccessToken,
		"refresh token": ada.session.RefreshToken, "ticket": ticket,
	}
	for _, p := range signed {
		u, err := url.Parse(p.URL)
		require.NoError(t, err)
		secrets["signature of a part"] = u.Query().Get("X-Amz-Signature")
	}
	var said []string
	for _, w := range tr.Words {
		said = append(said, w.Text)
	}
	require.Greater(t, len(said), 4)
	secrets["what was said"] = strings.Join(said[:4], " ")
	log, err := os.ReadFile(d.logPath)
	require.NoError(t, err)
	for what, secret := range secrets {
		require.Greater(t, len(secret), 7, what)
		require.NotContains(t, string(log), secret, what)
		require.NotContains(t, string(log), url.QueryEscape(secret), what)
	}
	require.NotContains(t, string(log), "X-Amz-Signature")
	require.Contains(t, string(log), `"job_id":"`+j.ID+`"`)
	require.Contains(t, string(log), `"request_id":"`)
}
