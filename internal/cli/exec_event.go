package cli

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
)

// eventPrefix is the prefix of the variables for an event.
const eventPrefix = "EVENTSVC_"

// maxVariable is the maximum length of a variable in bytes. The kernel accepts 128 KiB
// for each string, and refuses to start a program with a longer one (execve(2)).
const maxVariable = 96 << 10

// eventEnvironment returns the environment of a command for an event: the inherited
// one, without variables of another event.
func eventEnvironment(inherited []string, e *events.Event) ([]string, error) {
	attributes := ""
	if len(e.Attributes) > 0 {
		var err error
		if attributes, err = compactJSON(e.Attributes); err != nil {
			return nil, errors.Wrap(err, "cannot encode the attributes of the event")
		}
	}
	exitCode, uid := "", ""
	if e.ContainerExitCode != nil {
		exitCode = strconv.Itoa(*e.ContainerExitCode)
	}
	if e.UID != nil {
		uid = strconv.FormatUint(uint64(*e.UID), 10)
	}
	variables := []struct{ name, value string }{
		{"TYPE", string(e.Type)},
		{"STATUS", string(e.Status)},
		{"TIME", e.Time.Format(time.RFC3339Nano)},
		{"CURSOR", e.Cursor},
		{"ID", e.ID},
		{"NAME", e.Name},
		{"IMAGE", e.Image},
		{"POD_ID", e.PodID},
		{"NETWORK", e.Network},
		{"EXIT_CODE", exitCode},
		{"ERROR", e.Error},
		{"HEALTH_STATUS", e.HealthStatus},
		{"ATTRIBUTES", attributes},
		{"UID", uid},
		{"HOST", e.Host},
	}
	ours := make(map[string]bool, len(variables))
	for _, v := range variables {
		ours[eventPrefix+v.name] = true
	}
	var environment []string
	for _, assignment := range inherited {
		if name, _, _ := strings.Cut(assignment, "="); !ours[name] {
			environment = append(environment, assignment)
		}
	}
	for _, v := range variables {
		if v.value != "" && len(v.value) <= maxVariable {
			environment = append(environment, eventPrefix+v.name+"="+strings.ReplaceAll(v.value, "\x00", "\uFFFD"))
		}
	}
	return environment, nil
}

// fileOf returns a file in memory, positioned at its start. A command may read it when
// and as far as it likes; a pipe would have to be filled meanwhile.
func fileOf(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("event", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errors.Wrap(err, "cannot make a file for the event")
	}
	file := os.NewFile(uintptr(fd), "event")
	if _, err = file.Write(text); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, errors.Wrap(err, "cannot make a file for the event")
	}
	return file, nil
}
