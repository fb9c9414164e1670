package access

import (
	"log/slog"
	"os"
	"slices"
	"sync/atomic"

	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/messageid"
	"github.com/eventsvc/eventsvc/internal/store"
)

// Policy is who may do what. The zero value allows only root; NewPolicy adds the
// service's user. Its fields must not be changed once it is in use; then it is safe for
// concurrent use, including Allow.
type Policy struct {
	// Self is the service's user, which may do what root may.
	Self uint32
	// Readers may read every event.
	Readers Allowed
	// Writers may write events.
	Writers Allowed
	// Foreign: the events are those of other hosts, so none of them belongs to a user
	// of this one.
	Foreign bool
	// Log gets denials; nil: they are dropped.
	Log *slog.Logger

	denials  limits.Throttle
	denied   [len(actions)]atomic.Uint64 // indexed as actions
	replaced atomic.Pointer[rules]       // what Allow replaced Readers and Writers with, nil: nothing
	accounts accounts
	changed  atomic.Pointer[func()] // set by OnChange; nil: not used
}

// NewPolicy returns the policy of a service that runs as this process's user.
func NewPolicy(readers, writers Allowed, log *slog.Logger) *Policy {
	return &Policy{Self: uint32(os.Geteuid()), Readers: readers, Writers: writers, Log: log}
}

// Action is an action that can be denied.
type Action string

// The actions.
const (
	ReadEvents  Action = "read events"
	WriteEvents Action = "write events"
	Control     Action = "control the service"
)

var actions = [...]Action{ReadEvents, WriteEvents, Control}

// Denials returns how often each action was denied.
func (p *Policy) Denials() map[string]uint64 {
	by := make(map[string]uint64, len(actions))
	for i, action := range actions {
		by[string(action)] = p.denied[i].Load()
	}
	return by
}

// overflowUID is what the kernel shows for a user, of a peer or a file, that has no ID
// in this user namespace. It may be any user.
const overflowUID = 65534

// Denied is returned when the policy does not let a peer do something.
type Denied struct {
	Peer   Peer
	Action Action
	// Reason is why not.
	Reason string
}

func (e *Denied) Error() string {
	return "cannot " + string(e.Action) + ": permission denied for " + e.Peer.String() + ": " + e.Reason
}

// IsTrusted reports whether the peer is root or the service's user. The bounds that
// protect users from each other do not apply to them.
func (p *Policy) IsTrusted(peer *Peer) bool { return peer.UID == 0 || peer.UID == p.Self }

// Read returns whose events the peer may read: store.AnyUID for those of all users, or
// one user. If the user is unknown, the error is a *Denied.
func (p *Policy) Read(peer *Peer) (uid int64, err error) {
	switch {
	case p.ReadsAll(peer):
		return store.AnyUID, nil
	case peer.UID == overflowUID:
		return 0, p.deny(peer, ReadEvents, "the kernel does not tell which user it is")
	case p.Foreign:
		return 0, p.deny(peer, ReadEvents, "the events are of many hosts, whose users are not those of this one; --allow-read lets a user read them")
	}
	return int64(peer.UID), nil
}

// View narrows a query, whose filters are set, to the events that the peer gets. Unless
// it asks for all users, or its filters select users, it gets the events of its own
// uid, as podman events shows them: what other users write into a shared store must not
// reach a program that did not ask for it. For root and the service's user, events of
// unknown users are included. Where the events are those of other hosts, no uid is the
// peer's own, and only its rights apply. The error is that of Read.
func (p *Policy) View(peer *Peer, query *store.Query, allUsers bool) error {
	uid, err := p.Read(peer)
	if err != nil {
		return err
	}
	query.UID, query.UnknownUser = uid, false
	if uid == store.AnyUID && !allUsers && !p.Foreign && !query.Filters.ChooseUsers() {
		query.UID, query.UnknownUser = int64(peer.UID), p.IsTrusted(peer)
	}
	return nil
}

// Own narrows a query to the events that the service's user gets by default.
func (p *Policy) Own(query *store.Query) error { return p.View(&Peer{UID: p.Self}, query, false) }

// ReadsAll reports whether the peer may read the events of all users, and so may know
// where they are stored.
func (p *Policy) ReadsAll(peer *Peer) bool {
	return p.IsTrusted(peer) || p.rules().readers.admit(peer)
}

// Write returns a *Denied if the peer may not write events. On a read-only listener
// that includes root.
func (p *Policy) Write(peer *Peer, readOnly bool) error {
	switch {
	case readOnly:
		return p.deny(peer, WriteEvents, "this socket is read-only")
	case p.IsTrusted(peer) || p.rules().writers.admit(peer):
		return nil
	}
	return p.deny(peer, WriteEvents, "only root, the user of the service and who is allowed may")
}

// MayControl returns a *Denied if the peer may not control the service, for example
// make it read its configuration again. On a read-only listener no peer may.
func (p *Policy) MayControl(peer *Peer, readOnly bool) error {
	switch {
	case readOnly:
		return p.deny(peer, Control, "this socket is read-only")
	case p.IsTrusted(peer):
		return nil
	}
	return p.deny(peer, Control, "only root and the user of the service may")
}

func (p *Policy) deny(peer *Peer, action Action, reason string) error {
	p.denied[slices.Index(actions[:], action)].Add(1)
	if p.Log != nil {
		if ok, suppressed := p.denials.Pass(limits.DenialBurst, limits.DenialPause); ok {
			p.Log.Warn("permission denied", messageid.Denied, "action", string(action), "uid", peer.UID, "pid", peer.PID,
				"reason", reason, "notLogged", suppressed)
		}
	}
	return &Denied{Peer: *peer, Action: action, Reason: reason}
}

// Allowed are users and groups that may do something. The zero value allows none.
type Allowed struct {
	UIDs []uint32
	GIDs []uint32
}

func (a Allowed) admit(peer *Peer) bool {
	return slices.Contains(a.UIDs, peer.UID) || len(a.GIDs) > 0 && peer.in(a.GIDs)
}

// rules are the users and groups that may do more than others.
type rules struct{ readers, writers Allowed }

// Allow replaces Readers and Writers from now on. It may be called while the policy is
// in use. Code that acts on earlier decisions is notified by OnChange.
func (p *Policy) Allow(readers, writers Allowed) {
	p.replaced.Store(&rules{readers, writers})
	if changed := p.changed.Load(); changed != nil {
		(*changed)()
	}
}

// OnChange sets a function that is called after each call of Allow.
func (p *Policy) OnChange(changed func()) { p.changed.Store(&changed) }

// rules returns the rules that apply now.
func (p *Policy) rules() rules {
	if r := p.replaced.Load(); r != nil {
		return *r
	}
	return rules{p.Readers, p.Writers}
}
