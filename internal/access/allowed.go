package access

import (
	"os/user"
	"strconv"
	"strings"

	"github.com/pkg/errors"
)

// Add allows one more user or group: a name or number, with an '@' before a group's.
// The error says what is wrong with it.
func (a *Allowed) Add(word string) error {
	if name, isGroup := strings.CutPrefix(word, "@"); isGroup {
		gid, err := number(name, gidOf)
		if err != nil {
			return errors.Wrapf(err, "cannot allow group %q", name)
		}
		a.GIDs = append(a.GIDs, gid)
		return nil
	}
	uid, err := number(word, uidOf)
	if err != nil {
		return errors.Wrapf(err, "cannot allow user %q", word)
	}
	a.UIDs = append(a.UIDs, uid)
	return nil
}

// ParseAllowed adds all words, in the form that Add takes.
func ParseAllowed(words []string) (Allowed, error) {
	var a Allowed
	for _, word := range words {
		if err := a.Add(word); err != nil {
			return Allowed{}, err
		}
	}
	return a, nil
}

// notAnID means "none" to the kernel where an ID is expected.
const notAnID = 1<<32 - 1

func uidOf(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func gidOf(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// number returns the ID that the word is, or names.
func number(word string, lookUp func(name string) (string, error)) (uint32, error) {
	if word == "" {
		return 0, errors.New("it has no name; give USER or @GROUP, by name or number")
	}
	digits := word
	if strings.Trim(word, "0123456789") != "" {
		var err error
		if digits, err = lookUp(word); err != nil {
			return 0, err
		}
	}
	id, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || id == notAnID {
		return 0, errors.New("an ID is a number from 0 to 4294967294")
	}
	return uint32(id), nil
}
