package logfile

import (
	"os"
	"strings"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/events"
)

// unavailable wraps an error of the file system for the caller.
func unavailable(err error) error {
	return &events.UnavailableError{Backend: events.LogFile, Reason: faultReason(err)}
}

func faultReason(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "cannot read the log: " + err.Error() + "; run eventsvc as the user whose Podman writes it"
	case errors.Is(err, errNoFile):
		return "cannot read the log: " + err.Error()
	case errors.Is(err, os.ErrNotExist):
		return "cannot read the log: " + err.Error()
	}
	if reason := err.Error(); strings.HasPrefix(reason, "cannot ") {
		return reason
	}
	return "cannot read the log: " + err.Error() + advice(err)
}

// ignoreMissing drops the error that the file does not exist: that is a log without
// events.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// advice says what to do about an error of the file system, where that is known.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room on its file system"
	case errors.Is(err, unix.EROFS):
		return "; mount its file system for writing, or let the unit write to its directory (ReadWritePaths=) and restart it"
	case errors.Is(err, unix.EIO):
		return "; look into the log of the kernel for what fails below it"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "; raise the limit of open files (LimitNOFILE= in the unit)"
	}
	return ""
}

// isOursAlone reports whether an error may keep this process from writing but not
// others: it comes from this process's permissions, sandbox or descriptors.
func isOursAlone(err error) bool {
	for _, errno := range []unix.Errno{unix.EROFS, unix.EACCES, unix.EPERM, unix.EMFILE} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
