package fleet

import (
	"os"
	"strings"

	"github.com/pkg/errors"
)

// The streams, and the subjects of their messages.
const (
	// EventsStream has one message for each event, with the subject
	// containers.events.HOST.TYPE.STATUS.
	EventsStream = "EVENTS"
	// HostsStream has one message for each host, with the subject
	// containers.hosts.HOST.
	HostsStream = "HOSTS"

	eventsPrefix = "containers.events."
	hostsPrefix  = "containers.hosts."
)

// maxHost is the maximum length of a host's name, in bytes.
const maxHost = 64

// CheckHost returns an error unless the name can be used for a host in a subject.
func CheckHost(host string) error {
	switch {
	case host == "":
		return errors.New("cannot use an empty name for the host")
	case len(host) > maxHost:
		return errors.Errorf("cannot use %.80q as the name of the host: it is longer than %d bytes", host, maxHost)
	case strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return errors.Errorf("cannot use %q as the name of the host: use letters, digits, '-' and '_' only", host)
	}
	return nil
}

// machineIDFile is described in machine-id(5).
const machineIDFile = "/etc/machine-id"

// MachineID returns the machine ID, which is the default name of a host.
func MachineID() (string, error) {
	text, err := os.ReadFile(machineIDFile)
	if err != nil {
		return "", errors.Wrap(err, "cannot name this host; name it with --host")
	}
	id := strings.TrimSpace(string(text))
	if err := CheckHost(id); err != nil || id == "uninitialized" {
		return "", errors.Errorf("cannot name this host by %s, which has no machine ID; name it with --host", machineIDFile)
	}
	return id, nil
}

// maxToken bounds a word in a subject, in bytes: a server accepts no subject longer
// than its control line, 4 KiB, and disconnects a client that uses one.
const maxToken = 64

// token turns a word into a token of a subject, which has no dots, wildcards or blanks.
// A long one is truncated.
func token(word string) string {
	if word == "" {
		return "_"
	}
	word = word[:min(len(word), maxToken)]
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '.' || r == '*' || r == '>' {
			return '_'
		}
		return r
	}, word)
}
