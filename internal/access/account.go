package access

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// subUIDFile lists which uids are subordinate to which user (subuid(5)).
const subUIDFile = "/etc/subuid"

// accounts finds the user to which a uid is subordinate. It rereads the file when it
// has changed. The zero value is ready.
type accounts struct {
	mu       sync.Mutex
	modified time.Time
	size     int64
	ranges   []subUIDs // as in the file
}

// subUIDs are uids that are subordinate to a user.
type subUIDs struct{ owner, first, last uint32 }

// Account returns the user to which a uid counts where a bound applies to each user:
// the user that it is subordinate to (/etc/subuid), which can use any of these uids, or
// the uid itself.
func (p *Policy) Account(uid uint32) uint32 {
	return p.accounts.of(uid, subUIDFile)
}

func (a *accounts) of(uid uint32, path string) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	stat, err := os.Stat(path)
	if err != nil {
		return uid
	}
	if !stat.ModTime().Equal(a.modified) || stat.Size() != a.size {
		a.read(path)
		a.modified, a.size = stat.ModTime(), stat.Size()
	}
	i := slices.IndexFunc(a.ranges, func(r subUIDs) bool { return r.first <= uid && uid <= r.last })
	if i < 0 {
		return uid
	}
	return a.ranges[i].owner
}

// read reads the file, and skips invalid lines.
func (a *accounts) read(path string) {
	a.ranges = nil
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	const longest = 1 << 20 // of the part that is read
	for lines := bufio.NewScanner(io.LimitReader(file, longest)); lines.Scan(); {
		if r, ok := parseSubUIDs(lines.Text()); ok {
			a.ranges = append(a.ranges, r)
		}
	}
}

// parseSubUIDs parses a line of the form USER:FIRST:COUNT, with the user by name or
// number.
func parseSubUIDs(line string) (r subUIDs, ok bool) {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) != 3 {
		return r, false
	}
	owner, err := number(fields[0], uidOf)
	first, badFirst := strconv.ParseUint(fields[1], 10, 32)
	count, badCount := strconv.ParseUint(fields[2], 10, 32)
	if err != nil || badFirst != nil || badCount != nil || first == 0 || count == 0 || first+count-1 >= notAnID {
		return r, false
	}
	return subUIDs{owner, uint32(first), uint32(first + count - 1)}, true
}
