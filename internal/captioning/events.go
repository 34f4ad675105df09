package captioning

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

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
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.webSocket(w, r, id)
		return nil
	}
	s.subscribers.Inc()
	defer s.subscribers.Dec()
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
