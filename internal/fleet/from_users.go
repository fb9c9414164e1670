package fleet

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/config"
	"github.com/eventsvc/eventsvc/internal/sleep"
)

// FromUsers collects the log files of all users of this host, as users are added and
// removed. A user's files are hostile input. They are opened with that user's rights,
// without following links; only regular files of the user are read; and how much is
// read and written for each user is bounded. The user of an event is the owner of its
// log.
type FromUsers struct {
	Log *slog.Logger

	ids     *identities
	watch   *dirWatch
	turns   chan *turn
	release config.Release
	fail    context.CancelCauseFunc // ends the round
	list    chan struct{}           // of capacity 1: list the users

	mu        sync.Mutex
	places    map[logKey]filePlace // guarded by mu, like the rest
	followers map[uint32]*follower // by user
	warnings  int                  // since warnedAt
	unsaid    int
	warnedAt  time.Time
}

// turn is the memory for reading a log.
type turn struct{ in, out []byte }

const (
	// mostTurns is how many logs are read at a time.
	mostTurns = 4
	// keptTurn bounds the memory that a turn keeps, in bytes.
	keptTurn = 512 << 10
	// usersEvery is the interval at which the users are listed, and at which the log of
	// a user with a runtime directory is polled; rarelyEvery is that of the logs of
	// other users, and of each containers.conf.
	usersEvery  = 2 * time.Second
	rarelyEvery = 30 * time.Second
	// looksApart is the least time between two reads that find nothing.
	looksApart = 10 * time.Millisecond
	// mostWarnings is how many messages about users are logged in warnEvery.
	mostWarnings = 20
	warnEvery    = 10 * time.Second

	// How many bytes of a user's log are read, and of the collected log written for the
	// user, at once, and then each second. The rest waits in the user's log.
	readAtOnce, readEachSecond   = 64 << 20, 16 << 20
	wroteAtOnce, wroteEachSecond = 64 << 20, 1 << 20
)

// Collect collects until the context ends.
func (f *FromUsers) Collect(ctx context.Context, sink *Sink) error {
	if os.Geteuid() != 0 {
		return errors.New("cannot collect from users: only root may take each one's rights; run it as a service of the system")
	}
	f = &FromUsers{Log: f.Log} // what is still running of the last round must not affect this one
	places, err := readPlaces(sink)
	if err != nil {
		return err
	}
	f.release, _ = config.Host().Podman()
	f.places, f.followers = places, map[uint32]*follower{}
	f.ids, f.turns = newIdentities(), make(chan *turn, mostTurns)
	for range mostTurns {
		f.turns <- newTurn()
	}
	if f.watch, err = newDirWatch(f.wake); err != nil {
		return err
	}
	mounts, err := newMountWatch()
	if err != nil {
		f.watch.close()
		return err
	}
	f.list = make(chan struct{}, 1)
	ctx, f.fail = context.WithCancelCause(ctx)
	defer f.fail(nil)
	sink.KeepBy(f.encodePlaces)
	sink.Fault(nil)
	var running sync.WaitGroup
	running.Go(f.watch.run)
	running.Go(func() { mounts.run(func() { f.wake(listing) }) })
	defer f.waitFor(&running)
	defer f.watch.close()
	defer mounts.close()
	ticker := time.NewTicker(usersEvery)
	defer ticker.Stop()
	for {
		f.watch.armPath(runtimeDirs, listing)
		for uid, a := range listUsers() {
			if u, begun := f.follow(uid, a, sink); begun {
				running.Go(func() { u.run(ctx) })
			}
		}
		if !sleep.For(ctx, looksApart) {
			return context.Cause(ctx)
		}
		select {
		case <-ticker.C:
		case <-f.list:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waitFor waits for the followers, except for one whose user's file system hangs: that
// one ends only with the process.
func (f *FromUsers) waitFor(running *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(2 * slowCall):
		f.Log.Warn("a file system of a user does not answer; not waiting for it")
	}
}

// newTurn returns memory for reading a log.
func newTurn() *turn { return &turn{in: make([]byte, fileChunk)} }

// follow updates the follower of a user. begun reports that the user is new.
func (f *FromUsers) follow(uid uint32, a account, sink *Sink) (u *follower, begun bool) {
	f.mu.Lock()
	u = f.followers[uid]
	many := len(f.followers) >= mostUsers
	if u == nil && !many {
		u = &follower{from: f, sink: sink, woken: make(chan struct{}, 1)}
		f.followers[uid] = u
		begun = true
	}
	f.mu.Unlock()
	if u == nil {
		f.warn("cannot follow the logs of more users", nil, "uid", uid, "most", mostUsers)
		return nil, false
	}
	if before := u.account.Swap(&a); before != nil && *before != a {
		signal(u.woken)
	}
	return u, begun
}

// listing stands for the list of users in place of a user: it is not a uid.
const listing = math.MaxUint32

// wake makes the logs of a user be read, or the users be listed.
func (f *FromUsers) wake(uid uint32) {
	if uid == listing {
		signal(f.list)
		return
	}
	f.mu.Lock()
	u := f.followers[uid]
	f.mu.Unlock()
	if u != nil {
		signal(u.woken)
	}
}

// place returns up to where a log was collected; known is false if none of it was.
func (f *FromUsers) place(key logKey) (p filePlace, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, known = f.places[key]
	return p, known
}

// setPlace records the place of a line in the collected log.
func (f *FromUsers) setPlace(key logKey, p filePlace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.places[key] = p
}

func (f *FromUsers) encodePlaces() ([]byte, error) {
	f.mu.Lock()
	places := maps.Clone(f.places)
	f.mu.Unlock()
	return encodePlaces(places)
}

// warn logs what a user has done, unless there were many such messages just now.
func (f *FromUsers) warn(text string, l *userLog, more ...any) {
	f.mu.Lock()
	now := time.Now()
	if now.Sub(f.warnedAt) > warnEvery {
		f.warnedAt, f.warnings = now, 0
	}
	f.warnings++
	quiet, unsaid := f.warnings > mostWarnings, f.unsaid
	if f.unsaid = 0; quiet {
		f.unsaid = unsaid + 1
	}
	f.mu.Unlock()
	if quiet {
		return
	}
	if l != nil {
		more = append(more, "uid", l.account.uid, "path", l.path)
	}
	if unsaid > 0 {
		more = append(more, "notLogged", unsaid)
	}
	f.Log.Warn(text, more...)
}
