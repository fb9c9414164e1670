package autoupdate

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/sleep"
	"github.com/eventsvc/eventsvc/internal/wholefile"
)

// keptRuns is how many reports the state keeps.
const keptRuns = 50

// State is what runs remember. The actual state always comes from Podman and systemd;
// this is only what was intended.
type State struct {
	// Holds are by image name.
	Holds map[string]Hold `json:",omitempty"`
	// Seen is when a digest was first seen, by image name.
	Seen map[string]Seen `json:",omitempty"`
	// Away is until when a registry asked not to be contacted, by its host.
	Away map[string]time.Time `json:",omitempty"`
	// Previous is the image from before the last update, by image name.
	Previous map[string]Previous `json:",omitempty"`
	// Unfinished are the changes that a run has begun and not completed, by image name.
	Unfinished map[string]Unfinished `json:",omitempty"`
	// Runs are the last reports, the newest last.
	Runs []Report `json:",omitempty"`
}

// Hold keeps a digest of an image, or with Digest empty any, from being applied.
type Hold struct {
	Digest string `json:",omitempty"`
	// Until is when the hold ends; zero: only by a release.
	Until time.Time `json:",omitzero"`
	// Failures is how often the digest failed; 0 for a manual hold.
	Failures int `json:",omitempty"`
	// Reason is why.
	Reason string `json:",omitempty"`
}

// holds reports whether the digest is on hold.
func (h Hold) holds(digest string, now time.Time) bool {
	return (h.Digest == "" || h.Digest == digest) && (h.Until.IsZero() || within(now, h.Until, maxHold))
}

// within reports whether now is before until, a time that was set to be at most d in
// the future: anything later was set while the clock was wrong.
func within(now, until time.Time, d time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= d
}

// Seen is a digest and when it was first seen here.
type Seen struct {
	Digest string
	First  time.Time
}

// Previous is the image before an update.
type Previous struct {
	ImageID string
	Digest  string `json:",omitempty"`
}

// Unfinished is a change of an image that has begun and not ended.
type Unfinished struct {
	// OldID is the image to roll back to.
	OldID string
	From  string
	To    string
	// Units are the units that change with it.
	Units []string
	// Policy, AuthFile and Settle are those of its containers, none of which may be
	// running.
	Policy   Policy
	AuthFile string `json:",omitempty"`
	Settle   time.Duration
}

// store keeps the state in a directory.
type store struct{ dir string }

func (s store) path() string { return filepath.Join(s.dir, "auto-update.json") }

// load reads the state. If it is not valid JSON it is set aside: nothing in it is worth
// never updating the host again.
func (s store) load() (State, error) {
	st := State{}
	text, err := os.ReadFile(s.path())
	if err == nil {
		if err = json.Unmarshal(text, &st); err != nil {
			st = State{}
			err = os.Rename(s.path(), s.path()+".broken")
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if st.Holds == nil {
		st.Holds = make(map[string]Hold)
	}
	if st.Seen == nil {
		st.Seen = make(map[string]Seen)
	}
	if st.Away == nil {
		st.Away = make(map[string]time.Time)
	}
	if st.Previous == nil {
		st.Previous = make(map[string]Previous)
	}
	if st.Unfinished == nil {
		st.Unfinished = make(map[string]Unfinished)
	}
	return st, errors.Wrap(err, "cannot read the state of auto-update")
}

// save replaces the state atomically, and returns when it is on the disk.
func (s store) save(st State) (err error) {
	if n := len(st.Runs) - keptRuns; n > 0 {
		st.Runs = st.Runs[n:]
	}
	text, err := json.Marshal(st)
	if err != nil {
		return errors.Wrap(err, "cannot write the state of auto-update")
	}
	defer func() { err = errors.Wrap(err, "cannot write the state of auto-update") }()
	if err := wholefile.Write(s.path(), text); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lock takes the lock of the directory, which only one run has at a time. It waits
// until the context ends. The kernel releases the lock when the process dies.
func (s store) lock(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, errors.Wrap(err, "cannot make the state directory")
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, errors.Wrap(err, "cannot open the lock of auto-update")
	}
	// flock(2) has no deadline.
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, errors.Wrap(err, "cannot take the lock of auto-update")
		}
		if !sleep.For(ctx, 100*time.Millisecond) {
			_ = f.Close()
			return nil, ErrBusy
		}
	}
}
