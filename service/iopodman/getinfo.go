package iopodman

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"

	"github.com/eventsvc/eventsvc/internal/varlinkwire"
)

// GetInfo answers with what is known about the host.
func (f *handler) GetInfo(ctx context.Context, c VarlinkCall) error {
	host, err := hostInfo()
	if err != nil {
		return f.fail(varlinkwire.CallOf(c.Conn), err)
	}
	host.Eventlogger = f.core.Backend()
	host.Distribution = distributionOf(os.DirFS("/"))
	return c.ReplyGetInfo(ctx, PodmanInfo{Host: host})
}

// hostInfo asks the kernel, without /proc, which a hardened unit may hide.
func hostInfo() (InfoHost, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return InfoHost{}, errors.Wrap(err, "cannot determine the host's memory")
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return InfoHost{}, errors.Wrap(err, "cannot determine the host's name")
	}
	unit := int64(info.Unit)
	return InfoHost{
		Mem_free: int64(info.Freeram) * unit, Mem_total: int64(info.Totalram) * unit,
		Swap_free: int64(info.Freeswap) * unit, Swap_total: int64(info.Totalswap) * unit,
		Arch: runtime.GOARCH, Os: runtime.GOOS, Cpus: int64(runtime.NumCPU()),
		Hostname: unix.ByteSliceToString(name.Nodename[:]), Kernel: unix.ByteSliceToString(name.Release[:]),
		Uptime: uptimeText(time.Duration(info.Uptime) * time.Second),
	}, nil
}

// uptimeText formats an uptime as Podman does.
func uptimeText(up time.Duration) string {
	hours, rest := up/time.Hour, up%time.Hour
	text := fmt.Sprintf("%dh %dm %ds", hours, rest/time.Minute, rest%time.Minute/time.Second)
	if hours > 0 {
		const day = 24 * time.Hour
		text += fmt.Sprintf(" (Approximately %.2f days)", float64(up)/float64(day))
	}
	return text
}

// distributionOf returns the host's distribution (os-release(5)).
func distributionOf(root fs.FS) InfoDistribution {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		if text, err := fs.ReadFile(root, name); err == nil {
			return parseOSRelease(text)
		}
	}
	return InfoDistribution{}
}

// parseOSRelease parses assignments in shell syntax, quoted or not.
func parseOSRelease(text []byte) InfoDistribution {
	var d InfoDistribution
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		value = unquoteShell(value)
		switch key {
		case "ID":
			d.Distribution = value
		case "VERSION_ID":
			d.Version = value
		}
	}
	return d
}

// unquoteShell removes the quotes and backslashes of os-release(5).
func unquoteShell(value string) string {
	if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		value = value[1 : n-1]
	}
	var plain strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			i++
		}
		plain.WriteByte(value[i])
	}
	return plain.String()
}
