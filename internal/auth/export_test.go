package auth

import "context"

// Upkeep is one round of Run.
func (s *Service) Upkeep(ctx context.Context) {
	if err := s.upkeep(ctx); err != nil {
		panic(err)
	}
}
