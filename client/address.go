package client

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AddressVariable is the environment variable that names the address of the
// service.
const AddressVariable = "EVENTSVC_ADDRESS"

// The paths of the socket: below /run for the system's service, below $XDG_RUNTIME_DIR
// for a user's.
const (
	socketName    = "eventsvc/io.podman.events"
	systemSocket  = "/run/" + socketName
	unixPrefix    = "unix:"
	sshExecPrefix = "ssh-exec:"
)

// DefaultAddress returns the address of the service for this process: $EVENTSVC_ADDRESS
// if it is set; for root unix:/run/eventsvc/io.podman.events; for another user
// unix:$XDG_RUNTIME_DIR/eventsvc/io.podman.events (/run/user/UID without that
// variable), or the system's socket if the user's does not exist and the user may
// connect to it.
func DefaultAddress() string {
	address, _ := defaultAddress()
	return address
}

// Descriptions of an address that the caller did not name.
const (
	fromVariable = "from " + AddressVariable
	ofSystem     = "the system service"
	ofUser       = "the service of this user"
	insteadOfOwn = ofSystem + ", as this user has none"
)

// defaultAddress also returns a description of the address.
func defaultAddress() (address, source string) {
	if address := os.Getenv(AddressVariable); address != "" {
		return address, fromVariable
	}
	if os.Geteuid() == 0 {
		return unixPrefix + systemSocket, ofSystem
	}
	runtimeDir := os.Getenv("XDG_RUNTIME_DIR")
	if runtimeDir == "" {
		runtimeDir = filepath.Join("/run/user", strconv.Itoa(os.Geteuid()))
	}
	path, source := userSocket(runtimeDir, systemSocket)
	return unixPrefix + path, source
}

// userSocket returns the socket that a user connects to, and its description.
func userSocket(runtimeDir, system string) (path, source string) {
	own := filepath.Join(runtimeDir, socketName)
	if _, err := os.Lstat(own); err != nil && unix.Access(system, unix.W_OK) == nil {
		return system, insteadOfOwn
	}
	return own, ofUser
}

// howToStart says how to start the service at a default address: by systemd's socket,
// if the packages have installed it.
func howToStart(source string) string {
	const unit = "eventsvc.socket"
	manager, option := "system", ""
	if source == ofUser {
		manager, option = "user", "--user "
	}
	if source == ofUser || source == ofSystem {
		for _, dir := range []string{"/usr/lib", "/etc"} {
			if _, err := os.Stat(filepath.Join(dir, "systemd", manager, unit)); err == nil {
				return "systemctl " + option + "start " + unit
			}
		}
	}
	return "eventsvc serve"
}

// dialer returns the function that connects to the address.
func dialer(address string) (Dialer, error) {
	if command, ok := strings.CutPrefix(address, sshExecPrefix); ok {
		return dialSSH(command)
	}
	path, err := socketPath(address)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}, nil
}

// socketPath parses the address of a socket: unix:PATH as in Varlink, with options
// after ';' that a client ignores, or just the path.
func socketPath(address string) (string, error) {
	path, isUnix := strings.CutPrefix(address, unixPrefix)
	scheme, rest, hasScheme := strings.Cut(address, "://")
	switch {
	case hasScheme && scheme == "ssh":
		host, _, _ := strings.Cut(rest, "/")
		return "", errors.New("ssh is addressed differently; give ssh-exec:" + host)
	case hasScheme && scheme == "tcp":
		return "", errors.New("the service does not listen on the network; give ssh-exec:HOST")
	case isUnix:
		path, _, _ = strings.Cut(path, ";")
	case !strings.ContainsRune(address, '/'):
		return "", errors.New("it is not an address; give unix:PATH, or ssh-exec:HOST for the service of another host")
	}
	if path == "" {
		return "", errors.New("it has no path; give unix:PATH")
	}
	if limit := len(unix.RawSockaddrUnix{}.Path); len(path) >= limit {
		return "", errors.New("the path is too long, the kernel allows 107 bytes; give a shorter one")
	}
	return path, nil
}
