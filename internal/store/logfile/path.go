package logfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// pathDir is a directory on the path to the log, and where it leads.
type pathDir struct {
	path string
	// child is the name in it that leads to the log.
	child string
	// last: the child is the log, or a link to it.
	last bool
	// turn: replacing the child makes the path lead elsewhere, because it is a link, or
	// was missing.
	turn bool
}

// maxLinks bounds the symbolic links on the path, as the kernel does.
const maxLinks = 40

// watchPath watches the directories on the path to the log, from the root down and
// through links.
func (w *watcher) watchPath(keep map[int32][]pathDir, above bool) error {
	dir, rest, links := "/", namesIn(w.path), 0
	for len(rest) > 0 && links <= maxLinks {
		on := pathDir{path: dir, child: rest[0], last: len(rest) == 1}
		rest = rest[1:]
		if on.child == ".." { // of a link
			dir = filepath.Dir(dir)
			continue
		}
		target, isThere, err := w.watchStep(keep, on, above)
		if err != nil || !isThere {
			return err
		}
		switch {
		case target == "":
			dir = filepath.Join(dir, on.child)
			continue
		case filepath.IsAbs(target):
			dir = "/"
		}
		links++
		rest = append(namesIn(target), rest...)
	}
	return nil
}

// watchStep watches one directory on the path, and returns the target of its child, ""
// if that is no link. The directory is watched before the child is read, so that later
// changes of the child are reported.
func (w *watcher) watchStep(keep map[int32][]pathDir, on pathDir, above bool) (target string, isThere bool, err error) {
	wd, err := w.disk.watch(w.fd, on.path, watchNames|unix.IN_MASK_ADD)
	isWatched := err == nil
	switch {
	case isMissing(err):
		return "", false, nil
	case errors.Is(err, os.ErrPermission):
		w.blind = true
	case err != nil:
		return "", false, errors.Wrapf(err, "cannot watch the directory %s for changes%s", on.path, limitAdvice(err))
	}
	child := filepath.Join(on.path, on.child)
	_, missing := os.Lstat(child)
	target, _ = os.Readlink(child)
	on.turn = target != "" || above && !on.last
	if isWatched {
		_, known := w.watched[int32(wd)]
		if on.last && !known && len(w.watched) > 0 && !isFresh(on.path) {
			w.created += unproven // files may have come and gone before it was watched
		}
		keep[int32(wd)] = append(keep[int32(wd)], on)
		if !slices.ContainsFunc(keep[int32(wd)], func(on pathDir) bool { return on.last || on.turn }) {
			_, _ = w.disk.watch(w.fd, on.path, watchSelf) // its names do not matter
		}
	}
	return target, missing == nil, nil
}

// namesIn returns the names in a path, without those that lead nowhere.
func namesIn(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}

// freshTime is how soon after it was created a directory is normally watched.
const freshTime = time.Second

// isFresh reports whether no file can have come and gone in a directory before it was
// watched: no name has appeared in it since it was created, or it was created just now,
// and the kernel has woken the watcher as soon as it could. A file system that does not
// record when a directory was created counts as fresh.
func isFresh(dir string) bool {
	id, stat, err := identify(unix.AT_FDCWD, dir)
	return err == nil && (id.birth == 0 || stat.Mtime == stat.Btime || time.Since(time.Unix(0, id.birth)).Abs() < freshTime)
}

// dirsOf returns the watch descriptors of the directories in which the log, or a link
// to it, appears.
func dirsOf(watched map[int32][]pathDir) (wds []int32) {
	for wd, ways := range watched {
		if slices.ContainsFunc(ways, func(on pathDir) bool { return on.last }) {
			wds = append(wds, wd)
		}
	}
	slices.Sort(wds)
	return wds
}

func limitAdvice(err error) string {
	if errors.Is(err, unix.ENOSPC) {
		return " (raise fs.inotify.max_user_watches)"
	}
	return ""
}

func isMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
