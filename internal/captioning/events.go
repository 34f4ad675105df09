package captioning

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/httpapi"
	"k8s-scalers/internal/identity"
)

const (
	ticketTTL    = 30 * time.Second
	writeTimeout = 10 * time.Second
)

type ticketView struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Service) ticket(w http.ResponseWriter, r *http.Request, u identity.User) error {
	j, err := s.owned(r.Context(), r.PathValue("id"), u)
	if err != nil {
		return err
	}
	t, err := s.Tickets.IssueTicket(r.Context(), u.ID+" "+j.ID, ticketTTL)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusCreated, ticketView{t, s.Now().Add(ticketTTL).UTC()})
}

// events streams a job's changes, over WebSocket where the client asks for an upgrade, else as server-sent events.
func (s *Service) events(w http.ResponseWriter, r *http.Request) error {
	id, err := s.subscriber(r)
	if err != nil {
		return err
	}
	s.subscribers.Inc()
	defer s.subscribers.Dec()
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return s.webSocket(w, r, id)
	}
	return s.serverSent(w, r, id)
}

// subscriber returns the id of the job that the caller may follow, by ticket or by token.
func (s *Service) subscriber(r *http.Request) (jobID string, err error) {
	id := r.PathValue("id")
	if t := r.URL.Query().Get("ticket"); t != "" {
		v, err := s.Tickets.RedeemTicket(r.Context(), t)
		if err != nil {
			return "", err
		}
		if _, job, _ := strings.Cut(v, " "); job != id {
			return "", caption.Errorf(caption.KindUnauthenticated, "This ticket is for another job. Ask for a new one.").WithCode("bad_ticket")
		}
		return id, nil
	}
	u, err := identity.Authenticate(s.Verifier, r)
	if err != nil {
		return "", err
	}
	j, err := s.owned(r.Context(), id, u)
	return j.ID, err
}

func (s *Service) webSocket(w http.ResponseWriter, r *http.Request, jobID string) error {
	// No cookie authenticates this request, only a ticket or a header that another site's page cannot have, so the origin
	// tells nothing; behind the gateway it would not equal this service's own host either.
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.Logger.DebugContext(r.Context(), "websocket refused", "error", err)
		return nil // Accept has answered.
	}
	defer func() { _ = c.CloseNow() }()                         // An error here means that it is closed already.
	ctx, cancel := context.WithCancel(c.CloseRead(r.Context())) // ends when the client goes
	defer cancel()
	drain := httpapi.Drain(r.Context())
	defer context.AfterFunc(drain, cancel)()
	bounded := func(f func(context.Context) error) error {
		wctx, done := context.WithTimeout(ctx, writeTimeout)
		defer done()
		return f(wctx)
	}
	err = s.follow(ctx, jobID, sink{
		send: func(_ int64, msg []byte) error {
			return bounded(func(ctx context.Context) error { return c.Write(ctx, websocket.MessageText, msg) })
		},
		alive: func() error { return bounded(c.Ping) },
	})
	switch {
	case err == nil:
		_ = c.Close(websocket.StatusNormalClosure, "the job has ended")
	case drain.Err() != nil: // draining: the client reconnects elsewhere
		_ = c.Close(websocket.StatusGoingAway, "the service restarts")
	case caption.KindOf(err) == caption.KindNotFound:
		_ = c.Close(websocket.StatusNormalClosure, "the job was deleted")
	case ctx.Err() == nil:
		s.Logger.WarnContext(ctx, "event stream broke", "job_id", jobID, "error", err)
		_ = c.Close(websocket.StatusTryAgainLater, "try again")
	}
	return nil
}

func (s *Service) serverSent(w http.ResponseWriter, r *http.Request, jobID string) error {
	rc := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	write := func(b string) error {
		if err := rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write([]byte(b)); err != nil {
			return err
		}
		return rc.Flush()
	}
	w.WriteHeader(http.StatusOK)
	if err := write("retry: 2000\n\n"); err != nil {
		return nil // The client is gone.
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(httpapi.Drain(ctx), cancel)()
	err := s.follow(ctx, jobID, sink{
		send:  func(seq int64, msg []byte) error { return write(fmt.Sprintf("id: %d\ndata: %s\n\n", seq, msg)) },
		alive: func() error { return write(": alive\n\n") },
	})
	if err == nil || caption.KindOf(err) == caption.KindNotFound {
		_ = write("event: end\ndata: {}\n\n") // The client is gone when this fails; there is nobody to tell.
	}
	return nil
}
