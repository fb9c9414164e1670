package autoupdate

import (
	"context"
	"slices"
	"sync"
)

// shared lets units that are watched in parallel share Podman's answers, since each
// call starts a process. A call joins the next question, never the one in progress:
// that may have read the state from before what the caller waits for.
type shared struct {
	Podman
	containers round[Container]
	states     round[ContainerState]
}

// Containers lists the running containers.
func (s *shared) Containers(ctx context.Context) ([]Container, error) {
	return s.containers.join(ctx, nil, func(ctx context.Context, _ []string) ([]Container, error) {
		return s.Podman.Containers(ctx)
	})
}

// Inspect returns the states of containers, in one call for all that wait.
func (s *shared) Inspect(ctx context.Context, ids ...string) ([]ContainerState, error) {
	all, err := s.states.join(ctx, ids, func(ctx context.Context, ids []string) ([]ContainerState, error) {
		return s.Podman.Inspect(ctx, ids...)
	})
	return slices.DeleteFunc(slices.Clone(all), func(c ContainerState) bool { return !slices.Contains(ids, c.ID) }), err
}

// round is a question that several callers share.
type round[T any] struct {
	turn sync.Mutex // held by the caller that asks
	mu   sync.Mutex
	next *answer[T]
}

type answer[T any] struct {
	ids   []string // guarded by round.mu until it is asked
	known bool     // this and the following fields are guarded by round.turn
	all   []T
	err   error
}

// join adds ids to the next question and returns its answer.
func (r *round[T]) join(ctx context.Context, ids []string, ask func(context.Context, []string) ([]T, error)) ([]T, error) {
	r.mu.Lock()
	a := r.next
	if a == nil {
		a = new(answer[T])
		r.next = a
	}
	a.ids = append(a.ids, ids...)
	r.mu.Unlock()
	r.turn.Lock()
	defer r.turn.Unlock()
	if a.known {
		return a.all, a.err
	}
	r.mu.Lock()
	if r.next == a {
		r.next = nil
	}
	r.mu.Unlock()
	a.all, a.err = ask(ctx, a.ids)
	// An interrupted question has no answer for the others.
	a.known = ctx.Err() == nil
	return a.all, a.err
}
