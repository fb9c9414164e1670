package fleet

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"
)

// Server is the address of the NATS servers, and the credentials for them.
type Server struct {
	// URL is one address, or several with commas between: nats://HOST:PORT, or
	// tls://HOST:PORT.
	URL string
	// Creds is a credentials file, NKey a file with an nkey seed; either may be empty.
	Creds, NKey string
	// CA is a file with the authorities that may have signed the server's
	// certificate; empty: those that the system trusts. Cert and Key are this
	// client's certificate and its key; empty: it has none.
	CA, Cert, Key string

	// noticed, if it is set, is called with the reason each time that connecting
	// fails, and with nil when the connection is restored.
	noticed func(error)
}

// String returns the URL without the passwords in it.
func (s *Server) String() string {
	all := strings.Split(s.URL, ",")
	for i, one := range all {
		if u, err := url.Parse(one); err == nil {
			all[i] = u.Redacted()
		}
	}
	return strings.Join(all, ",")
}

// The times of a connection. All but the first limit how long it takes to notice
// that a server has gone.
const (
	reconnectWait = 250 * time.Millisecond
	dialTimeout   = 2 * time.Second
	pingInterval  = 5 * time.Second
	// requestTimeout limits the wait for one reply of the server.
	requestTimeout = 5 * time.Second
	// deniedWait is the time until a subscription that was refused is tried again.
	deniedWait = 5 * time.Second
)

const rightsHint = "'eventsvc fleet init' prints the rights that a user needs"

const reconnected = "connected to NATS again"

const askedForCert = "the server requires a client certificate signed by an authority that it trusts: give --tls-cert and --tls-key"

// ports matches the local address in the text of an error, which differs with
// each attempt.
var ports = regexp.MustCompile(`\S+->`)

// attempts logs why connecting fails, each cause once.
type attempts struct {
	server *Server
	log    *slog.Logger

	mu     sync.Mutex
	last   string // guarded by mu, like denied
	denied bool   // the server has refused a subscription; a new connection is due
}

func (a *attempts) failed(err error) {
	err = a.server.explain(err)
	a.server.notice(errors.WithMessage(err, "cannot connect to NATS"))
	text := ports.ReplaceAllString(err.Error(), "")
	a.mu.Lock()
	known := a.last == text
	a.last = text
	a.mu.Unlock()
	if !known {
		a.log.Warn("cannot connect to NATS; retrying", "servers", a.server.String(), "error", err)
	}
}

func (a *attempts) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = ""
}

// reported handles an error that the server has sent without a request. If the user
// has no right to a subscription, or no longer, the server has removed it, and does
// not restore it when the right is granted. A new connection makes all subscriptions
// again.
func (a *attempts) reported(nc *nats.Conn, err error) {
	if !nc.IsConnected() { // the attempt to connect fails with the same error
		return
	}
	a.log.Warn("NATS reports an error", "error", err)
	if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "for Subscription") {
		return
	}
	a.server.notice(errors.Errorf("cannot get answers from NATS: %v; %s", err, rightsHint))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.denied {
		return
	}
	a.denied = true
	time.AfterFunc(deniedWait, func() {
		a.mu.Lock()
		a.denied = false
		a.mu.Unlock()
		_ = nc.ForceReconnect() // fails only if the connection was closed
	})
}

func (s *Server) notice(err error) {
	if s.noticed != nil {
		s.noticed(err)
	}
}

// explain adds to an error of connecting what the user can do about it.
func (s *Server) explain(err error) error {
	for _, known := range []struct{ text, hint string }{
		{"authorization violation", "check the user in the URL, --creds or --nkey"},
		{"nkeys not supported", "this server does not support nkeys: leave out --creds or --nkey"},
		{"expired", "renew --creds"},
		{"revoked", "renew --creds"},
		{"unknown authority", "name the file with the authority that signed its certificate with --tls-ca"},
		{"certificate is valid for", "use a name in the URL that its certificate has"},
		{"certificate is not valid for any names", "use a name in the URL that its certificate has"},
		{"cannot validate certificate for", "use a name in the URL that its certificate has"},
		{"certificate required", askedForCert},
		{"bad certificate", askedForCert},
		{"closed by remote after tls handshake", askedForCert}, // often arrives before the reason
		{"secure connection not available", "the server has no TLS: use nats:// in the URL"},
	} {
		if strings.Contains(strings.ToLower(err.Error()), known.text) {
			return errors.Errorf("%v; %s", err, known.hint)
		}
	}
	return err
}

// options returns the options of a connection. It reconnects by itself, without a
// limit and also after a refusal: credentials may be replaced, and are read again at
// each attempt. Nothing is buffered while there is no connection: a message that was
// published just before the connection broke may have arrived, and only the stream
// shows whether it has.
func (s *Server) options(name, inbox string, log *slog.Logger) ([]nats.Option, error) {
	tries := &attempts{server: s, log: log}
	options := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(true), nats.Timeout(dialTimeout), nats.PingInterval(pingInterval), nats.CustomInboxPrefix(inbox),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { tries.failed(err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			tries.begin()
			if err != nil {
				log.Warn("lost the connection to NATS; connecting again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			log.Info(reconnected)
			s.notice(nil)
		}),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) { tries.reported(nc, err) }),
	}
	if s.Creds != "" {
		if _, err := os.ReadFile(s.Creds); err != nil {
			return nil, errors.Wrap(err, "cannot use the credentials")
		}
		options = append(options, nats.UserCredentials(s.Creds))
	}
	if s.NKey != "" {
		option, err := nats.NkeyOptionFromSeed(s.NKey)
		if err != nil {
			return nil, errors.Wrapf(err, "cannot use the nkey in %s", s.NKey)
		}
		options = append(options, option)
	}
	if s.CA != "" {
		options = append(options, nats.RootCAs(s.CA))
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, errors.New("cannot use a client certificate without its key: give both --tls-cert and --tls-key")
	}
	if s.Cert != "" {
		options = append(options, nats.ClientCert(s.Cert, s.Key))
	}
	return options, nil
}

// Obstacle returns an error if a connection could not be made now, as far as the
// configured files show. A file that is missing now may exist when the connection is
// made.
func (s *Server) Obstacle() error {
	if _, err := s.options("", "", slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	for _, file := range []string{s.CA, s.Cert, s.Key} {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil {
			return errors.Wrap(err, "cannot use the certificates")
		}
	}
	return nil
}

// connect returns an established connection, or the context's error.
func (s *Server) connect(ctx context.Context, name, inbox string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	options, err := s.options(name, inbox, log)
	if err != nil {
		return nil, err
	}
	connected := make(chan struct{}, 1)
	options = append(options, nats.ConnectHandler(func(*nats.Conn) { connected <- struct{}{} }))
	nc, err := nats.Connect(s.URL, append(options, more...)...)
	if err != nil {
		return nil, errors.Wrapf(s.explain(err), "cannot connect to NATS at %s", s)
	}
	if nc.IsConnected() {
		return nc, nil
	}
	select {
	case <-connected:
		s.notice(nil)
		return nc, nil
	case <-ctx.Done():
		nc.Close()
		return nil, ctx.Err()
	}
}
