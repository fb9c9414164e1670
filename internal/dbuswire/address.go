package dbuswire

import (
	"net"
	"os"
	"strconv"
	"strings"

	godbus "github.com/godbus/dbus/v5"
	"github.com/pkg/errors"
)

// The words for the two well-known buses, and for the one that has started this
// process.
const (
	SystemBus  = "system"
	SessionBus = "session"
	StarterBus = "starter"
)

// The variables that a bus sets for a program that it starts itself, not by systemd:
// its address, and its type.
const (
	starterAddress = "DBUS_STARTER_ADDRESS"
	starterType    = "DBUS_STARTER_BUS_TYPE"
)

// busAddress returns the address of the bus that one of the words names, or the given
// address. It never starts a bus.
func busAddress(bus string) (string, error) {
	switch bus {
	case SystemBus:
		if address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); address != "" {
			return address, nil
		}
		return "unix:path=/run/dbus/system_bus_socket;unix:path=/var/run/dbus/system_bus_socket", nil
	case SessionBus:
		return sessionAddress()
	case StarterBus:
		if address := os.Getenv(starterAddress); address != "" {
			return address, nil
		}
		return "", errors.New("cannot find the bus that started the service: " + starterAddress + " is not set; " +
			"give session or system")
	}
	return bus, CheckBus(bus)
}

// CheckBus returns why a bus is invalid, whether or not it exists: it is neither one of
// the words nor an address with a unix socket.
func CheckBus(bus string) error {
	switch {
	case bus == SystemBus, bus == SessionBus, bus == StarterBus:
		return nil
	case !strings.Contains(bus, ":"):
		return errors.Errorf("cannot understand the bus %q: give system, session or an address such as "+
			"unix:path=/run/user/1000/bus", bus)
	}
	var err error
	for address := range strings.SplitSeq(bus, ";") {
		if _, err = socketName(address); err == nil {
			return nil
		}
	}
	return err
}

func sessionAddress() (string, error) {
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return address, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/run/user/" + strconv.Itoa(os.Getuid())
	}
	path := dir + "/bus"
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("cannot find the session bus: DBUS_SESSION_BUS_ADDRESS is not set and there is no " + path)
	}
	return "unix:path=" + godbus.EscapeBusAddressValue(path), nil
}

// isNamedSession reports whether the environment names the bus at this address as the
// session bus.
func isNamedSession(bus, address string) bool {
	switch {
	case bus == SessionBus:
		return true
	case bus == StarterBus && os.Getenv(starterType) == SessionBus:
		return true
	}
	session, err := sessionAddress()
	return err == nil && session == address
}

// isSystem reports whether the socket with that name is the system bus.
func isSystem(name string) bool {
	addresses, err := busAddress(SystemBus)
	if err != nil {
		return false
	}
	for address := range strings.SplitSeq(addresses, ";") {
		if system, err := socketName(address); err == nil && system == name {
			return true
		}
	}
	return false
}

// dial connects to the first address of a list that accepts.
func dial(addresses string) (*net.UnixConn, error) {
	var first error
	for address := range strings.SplitSeq(addresses, ";") {
		if address == "" {
			continue
		}
		sock, err := dialOne(address)
		if err == nil {
			return sock, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = errors.New("cannot connect to a bus: its address is empty")
	}
	return nil, first
}

func dialOne(address string) (*net.UnixConn, error) {
	name, err := socketName(address)
	if err != nil {
		return nil, err
	}
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	return sock, errors.Wrapf(err, "cannot connect to the bus at %s", address)
}

// socketName returns the path in an address, or '@' and an abstract name. Only unix
// sockets can pass descriptors and identify the peer.
func socketName(address string) (string, error) {
	method, rest, _ := strings.Cut(address, ":")
	if method != "unix" {
		return "", errors.Errorf("cannot connect to the bus at %s: its address must begin with 'unix:'", address)
	}
	for pair := range strings.SplitSeq(rest, ",") {
		key, escaped, _ := strings.Cut(pair, "=")
		if key != "path" && key != "abstract" {
			continue
		}
		value, err := godbus.UnescapeBusAddressValue(escaped)
		if err != nil || value == "" {
			return "", errors.Errorf("cannot connect to the bus at %s: its %s cannot be understood", address, key)
		}
		if key == "abstract" {
			value = "@" + value
		}
		return value, nil
	}
	return "", errors.Errorf("cannot connect to the bus at %s: there is neither path nor abstract in it", address)
}
