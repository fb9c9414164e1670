package autoupdate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// checksOfRegistry is how many images of one registry are checked at the same time:
	// each is a small request, where podman pull opens six downloads for one image.
	// checks is the limit for all registries. It is higher, so that a registry that
	// hangs does not delay the others.
	checksOfRegistry = 10
	checks           = 30
	// checkTime bounds the requests about one image.
	checkTime = 10 * time.Second
)

// question is what is asked once: about one image name, of its registry with the same
// credentials, or of the storage.
type question struct {
	policy         Policy
	name, authFile string
}

// check finds the containers that have a new image. It ends those that have none, or
// cannot get it now; the others keep an empty result.
func (r *run) check(ctx context.Context, targets []*target) {
	r.step("check", fmt.Sprintf("%d containers", len(targets)), 0)
	var ids []string
	for _, t := range targets {
		if t.result.Result == "" && !slices.Contains(ids, t.ImageID) {
			ids = append(ids, t.ImageID)
		}
	}
	if len(ids) == 0 {
		return
	}
	byQuestion := make(map[question][]*target)
	for _, t := range targets {
		if t.result.Result != "" {
			continue
		}
		q := question{policy: t.Policy, name: t.Image}
		if t.Policy == PolicyRegistry {
			q.authFile = t.AuthFile
		}
		byQuestion[q] = append(byQuestion[q], t)
	}
	var all sync.WaitGroup
	// Query Podman while the registries answer.
	var images []Image
	var missing error
	looked := make(chan struct{})
	look := func() ([]Image, error) {
		<-looked
		return images, missing
	}
	all.Go(func() {
		defer close(looked)
		images, missing = r.Podman.Images(ctx, ids...)
	})
	var away sync.Map // unreachable registries, with the reason
	turns := make(chan struct{}, checks)
	ofRegistry := make(map[string]chan struct{})
	for q, ts := range byQuestion {
		own := ofRegistry[r.Registry.Host(q.name)]
		if own == nil {
			own = make(chan struct{}, checksOfRegistry)
			ofRegistry[r.Registry.Host(q.name)] = own
		}
		all.Go(func() {
			// In this order: a registry that hangs must not hold a turn that others
			// need.
			for _, turn := range []chan struct{}{own, turns} {
				turn <- struct{}{}
				defer func() { <-turn }()
			}
			if q.policy == PolicyLocal {
				r.checkLocal(ctx, q.name, ts)
			} else {
				r.checkRegistry(ctx, q, ts, &away, look)
			}
		})
	}
	all.Wait()
	for _, t := range targets {
		t.runs(images)
	}
	r.hold(targets)
}

var errNoImage = errors.New("there is no such image")

// runs finds the image that the container is running, and reports whether it was found.
func (t *target) runs(images []Image) bool {
	i := slices.IndexFunc(images, func(i Image) bool { return i.ID == t.ImageID })
	if i < 0 {
		return false
	}
	t.image = images[i]
	if len(t.image.Digests) > 0 {
		t.result.From = t.image.Digests[0]
	}
	return true
}

// checkLocal compares with the image that the name refers to in the storage.
func (r *run) checkLocal(ctx context.Context, name string, targets []*target) {
	images, err := r.Podman.Images(ctx, name)
	for _, t := range targets {
		switch {
		case err != nil:
			t.end(Failed, err.Error())
		case len(images) == 0:
			t.end(Failed, fmt.Sprintf("cannot find image %s: %v", name, errNoImage))
		case images[0].ID == t.ImageID:
			t.end(Unchanged, "")
		default:
			t.remote = Remote{Digest: "local:" + images[0].ID, Instance: "local:" + images[0].ID}
			if len(images[0].Digests) > 0 {
				t.result.To = images[0].Digests[0]
			}
		}
	}
}

// checkRegistry compares with the registry. look returns the images that containers are
// running.
func (r *run) checkRegistry(
	ctx context.Context, q question, targets []*target, away *sync.Map, look func() ([]Image, error),
) {
	end := func(o Outcome, reason string) {
		for _, t := range targets {
			if t.result.Result == "" {
				t.end(o, reason)
			}
		}
	}
	if r.Registry.Pinned(q.name) {
		end(Held, "pinned: the image name has a digest")
		return
	}
	host := r.Registry.Host(q.name)
	// A unit that the user named is wanted now.
	if until := r.away(host); !until.IsZero() && len(r.Units) == 0 {
		end(Deferred, fmt.Sprintf("cannot ask %s: it asked to be left alone until %s", host, until.Format(time.RFC3339)))
		return
	}
	if reason, is := away.Load(host); is {
		end(Deferred, fmt.Sprint(reason))
		return
	}
	failed := func(err error) {
		if errors.Is(err, ErrTemporary) {
			reason := fmt.Sprintf("cannot ask %s: %v", host, err)
			away.Store(host, reason)
			var later Later
			if errors.As(err, &later) && later.For > 0 {
				until := r.Clock.Now().Add(min(later.For, maxAway))
				_ = r.update(func(s *State) { s.Away[host] = until })
			}
			end(Deferred, reason)
			return
		}
		end(Failed, fmt.Sprintf("cannot check %s: %v", q.name, err))
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	digest, err := r.Registry.Digest(ctx, q.name, q.authFile)
	if err != nil {
		failed(err)
		return
	}
	images, missing := look()
	platforms := make(map[string]Remote)
	for _, t := range targets {
		if !t.runs(images) {
			t.end(Failed, fmt.Sprintf("cannot find the image of the container: %v", errors.Join(missing, errNoImage)))
			continue
		}
		if slices.Contains(t.image.Digests, digest) {
			t.end(Unchanged, "")
			continue
		}
		platform := t.image.OS + "/" + t.image.Architecture + "/" + t.image.Variant
		remote, known := platforms[platform]
		if !known {
			if remote, err = r.Registry.Resolve(ctx, q.name, q.authFile, t.image); err != nil {
				failed(err)
				return
			}
			platforms[platform] = remote
		}
		if slices.Contains(t.image.Digests, remote.Instance) {
			t.end(Unchanged, "")
			continue
		}
		t.remote = remote
		t.result.To = remote.Digest
	}
}

// hold ends the targets whose new image must not be applied yet.
func (r *run) hold(targets []*target) {
	now := r.Clock.Now()
	seen := false
	for _, t := range targets {
		if t.result.Result != "" {
			continue
		}
		if h, ok := r.state.Holds[t.Image]; ok && h.holds(t.remote.Digest, now) {
			reason := h.Reason
			if !h.Until.IsZero() {
				reason = fmt.Sprintf("on hold until %s: %s", h.Until.Format(time.RFC3339), h.Reason)
			}
			t.end(Held, reason)
			continue
		}
		first, ok := r.state.Seen[t.Image]
		if !ok || first.Digest != t.remote.Digest || first.First.After(now) {
			first = Seen{t.remote.Digest, now}
			r.state.Seen[t.Image] = first
			seen = true
		}
		if age := now.Sub(first.First); age < t.MinAge {
			t.end(Pending, fmt.Sprintf("seen for %v, label %s asks for %v", age.Round(time.Second), LabelMinAge, t.MinAge))
		}
	}
	if seen {
		_ = r.update(func(*State) {})
	}
}

// away returns until when a registry asked not to be contacted; zero if it may be.
func (r *run) away(host string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := r.state.Away[host]; within(r.Clock.Now(), until, maxAway) {
		return until
	}
	delete(r.state.Away, host)
	return time.Time{}
}
