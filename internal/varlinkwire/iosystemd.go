package varlinkwire

import (
	"context"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/pkg/errors"
	"github.com/varlink/go/varlink"
)

// systemdInterface is the interface by which systemd's own services are pinged and
// reloaded. The signatures are those of systemd 258 and later; older ones have only
// Ping, Reload and SetLogLevel.
const systemdInterface = "io.systemd.service"

const systemdDescription = `# Control of a service, as every service of systemd has it
interface io.systemd.service

# Whether the service is there: it answers, or it is not
method Ping() -> ()

# Read the configuration again. A configuration that cannot be used leaves the
# one that there is in place, and is answered with io.systemd.System and EINVAL;
# the log of the service says what is wrong. Only for root and the user of the
# service.
method Reload() -> ()

# Set which messages are logged, until the configuration is read again. Only for
# root and the user of the service.
method SetLogLevel(
  # The least urgent priority that is logged, as in syslog(3): 3 errors, 4
  # warnings, 6 what happens, 7 everything
  level: ?int
) -> ()

# The environment of the service. Only for root and the user of the service.
method GetEnvironment() -> (
  # Assignments, NAME=VALUE
  environment: ?[]string
)

# The environment of the service is not valid UTF-8
error InconsistentEnvironment()
`

// SystemdCalls carries out calls of io.systemd.service. It must be safe for concurrent
// use.
type SystemdCalls interface {
	// Reload reads the configuration again.
	Reload() error
	// SetLogLevel sets the least urgent priority to log (syslog(3)).
	SetLogLevel(priority int64)
}

// The privileged methods, which not every client may call.
const (
	methodPing           = "Ping"
	methodReload         = "Reload"
	methodSetLogLevel    = "SetLogLevel"
	methodGetEnvironment = "GetEnvironment"
)

// systemdHandler answers the calls of io.systemd.service.
type systemdHandler struct {
	calls      SystemdCalls // nil: it only answers Ping
	mayControl func(c *Call) error
}

// Systemd returns the interface io.systemd.service. If calls is nil it only answers
// Ping. mayControl returns an error if a caller may call nothing but Ping.
func Systemd(calls SystemdCalls, mayControl func(c *Call) error) Interface {
	f := &systemdHandler{calls, mayControl}
	return Interface{Dispatcher: f, Admit: f.admit, Unavailable: f.unavailable}
}

// VarlinkGetName returns the name of the interface.
func (f *systemdHandler) VarlinkGetName() string { return systemdInterface }

// VarlinkGetDescription returns the description of the interface.
func (f *systemdHandler) VarlinkGetDescription() string { return systemdDescription }

// admit lets every client call Ping, and only root and the service's user call the
// others.
func (f *systemdHandler) admit(c *Call, method string) error {
	if method == methodPing {
		return nil
	}
	return f.mayControl(c)
}

// unavailable returns systemd's error for what has no error of its own.
func (f *systemdHandler) unavailable(string) (name string, parameters any) {
	return systemError(syscall.EBUSY)
}

// systemError returns the error with which systemd's services report an errno.
func systemError(number syscall.Errno) (name string, parameters any) {
	names := map[syscall.Errno]string{syscall.EBUSY: "EBUSY", syscall.EINVAL: "EINVAL", syscall.EOPNOTSUPP: "EOPNOTSUPP"}
	return "io.systemd.System", struct {
		Origin string `json:"origin"`
		Errno  int    `json:"errno"`
		Name   string `json:"errnoName"`
	}{"linux", int(number), names[number]}
}

// VarlinkDispatch answers a call whose parameters match the description.
func (f *systemdHandler) VarlinkDispatch(_ context.Context, c varlink.Call, method string) error {
	call := CallOf(c.Conn)
	if f.calls == nil && (method == methodReload || method == methodSetLogLevel) {
		return call.ReplyError(systemError(syscall.EOPNOTSUPP))
	}
	switch method {
	case methodPing:
	case methodReload:
		if err := f.calls.Reload(); err != nil {
			return call.ReplyError(systemError(syscall.EINVAL))
		}
	case methodSetLogLevel:
		return f.setLogLevel(call, c)
	case methodGetEnvironment:
		return f.environment(call)
	default:
		return errors.Errorf("cannot handle method %s", method)
	}
	return call.replyParameters(struct{}{})
}

func (f *systemdHandler) setLogLevel(call *Call, c varlink.Call) error {
	const mostUrgent, leastUrgent = 0, 7
	var in struct {
		Level *int64 `json:"level"`
	}
	if err := c.GetParameters(&in); err != nil || in.Level == nil || *in.Level < mostUrgent || *in.Level > leastUrgent {
		return call.Reply(InvalidParameter("level"))
	}
	f.calls.SetLogLevel(*in.Level)
	return call.replyParameters(struct{}{})
}

func (f *systemdHandler) environment(call *Call) error {
	environment := os.Environ()
	for _, assignment := range environment {
		if !utf8.ValidString(assignment) {
			return call.ReplyError(systemdInterface+".InconsistentEnvironment", nil)
		}
	}
	return call.replyParameters(struct {
		Environment []string `json:"environment"`
	}{environment})
}
