package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/client"
)

// CreateUsers makes n new accounts at a server. Their names begin with load-, so that an operator knows them.
func CreateUsers(ctx context.Context, base string, h *http.Client, n int) ([]*client.Client, error) {
	run := strings.ToLower(rand.Text()[:8])
	var users []*client.Client
	for i := range n {
		c := &client.Client{Base: base, HTTP: h, Sessions: &client.MemorySessions{}}
		if err := c.Login(ctx, fmt.Sprintf("load-%s-%d@example.org", run, i+1), rand.Text(), true); err != nil {
			if caption.KindOf(err) == caption.KindRateLimited {
				return nil, caption.Errorf(caption.KindRateLimited, "The server lets no more people of one address sign up now: it took %d of %d users. Try again later, or with fewer users.", i, n).WithCause(err)
			}
			return nil, err
		}
		users = append(users, c)
	}
	return users, nil
}

// tokens are the access tokens of the users. They are refreshed beside the requests, so that no request waits for that.
type tokens struct {
	users []*client.Client
	now   []atomic.Value // string
}

func newTokens(ctx context.Context, users []*client.Client) (*tokens, error) {
	t := &tokens{users: users, now: make([]atomic.Value, len(users))}
	for i, u := range users {
		token, err := u.Token(ctx)
		if err != nil {
			return nil, err
		}
		t.now[i].Store(token)
	}
	return t, nil
}

func (t *tokens) of(user uint64) string {
	return t.now[user%uint64(len(t.now))].Load().(string)
}

// refresh keeps the tokens fresh until ended is closed. One that cannot be refreshed stays, and the errors tell why.
func (t *tokens) refresh(ctx context.Context, ended <-chan struct{}, r *recorder) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		for i, u := range t.users {
			token, err := u.Token(ctx)
			if err != nil {
				r.fault("sign-in: " + reason(err))
				continue
			}
			t.now[i].Store(token)
		}
	}
}

// reason says shortly why something failed, so that the same causes count as one.
func reason(err error) string {
	switch code := caption.CodeOf(err); {
	case code == "unreachable":
		return "the server cannot be reached"
	case code != "":
		return code
	}
	switch kind := caption.KindOf(err); kind {
	case "", caption.KindInternal:
		return lastPart(err.Error())
	default:
		return string(kind)
	}
}

// lastPart is the innermost cause in the text of an error; what stands before it names addresses and ports, which differ each time.
func lastPart(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
