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

// Server is where NATS is and how to get in.
type Server struct {
	// URL is one address, or several with commas between: nats://HOST:PORT, or
	// tls://HOST:PORT.
	URL string
	// Creds is a credentials file; NKey a file with an nkey seed; empty: none.
	Creds, NKey string
	// CA is a file with the certificates that the server's is checked by; Cert
	// and Key are those of this client; empty: those of the system, and none.
	CA, Cert, Key string

	// noticed is called with why there is no connection, each time that one is tried,
	// and with nil when there is one again.
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

// The times of a connection. All but the first bound how long a server that is
// gone goes unnoticed.
const (
	reconnectWait = 250 * time.Millisecond
	dialTimeout   = 2 * time.Second
	pingInterval  = 5 * time.Second
	// requestTimeout bounds the wait for one reply of the server.
	requestTimeout = 5 * time.Second
	// deniedWait is how long after a subscription was refused it is tried again.
	deniedWait = 5 * time.Second
)

const rightsHint = "'eventsvc fleet init' prints the rights that a user needs"

const reconnected = "connected to NATS again"

const askedForCert = "the server asks for a certificate of the client that a CA of its own has signed: --tls-cert and --tls-key"

// ports are those of one attempt in the text of an error.
var ports = regexp.MustCompile(`\S+->`)

// attempts logs why no connection comes about, each cause once.
type attempts struct {
	server *Server
	log    *slog.Logger

	mu     sync.Mutex
	last   string // guarded by mu, as the rest
	denied bool   // the server has refused a subscription, and the connection is to be made again
}

func (a *attempts) failed(err error) {
	err = a.server.explain(err)
	a.server.notice(errors.WithMessage(err, "cannot connect to NATS"))
	text := ports.ReplaceAllString(err.Error(), "")
	a.mu.Lock()
	said := a.last == text
	a.last = text
	a.mu.Unlock()
	if !said {
		a.log.Warn("cannot connect to NATS; trying again and again", "servers", a.server.String(), "error", err)
	}
}

func (a *attempts) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = ""
}

// reported takes an error that the server sends by itself. It has removed a subscription
// that the user has no right to (any more), and does not give it back with the right:
// all of them are made again with the connection.
func (a *attempts) reported(nc *nats.Conn, err error) {
	if !nc.IsConnected() { // the attempt to connect has the same error
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
		_ = nc.ForceReconnect() // unless it was closed
	})
}

func (s *Server) notice(err error) {
	if s.noticed != nil {
		s.noticed(err)
	}
}

// explain says what to do about an error of connecting.
func (s *Server) explain(err error) error {
	for _, known := range []struct{ text, hint string }{
		{"authorization violation", "look at the user in the URL, --creds or --nkey"},
		{"nkeys not supported", "this server knows no nkeys: leave out --creds or --nkey"},
		{"expired", "renew --creds"},
		{"revoked", "renew --creds"},
		{"unknown authority", "name the file of its CA by --tls-ca"},
		{"certificate is valid for", "use a name in the URL that its certificate has"},
		{"certificate is not valid for any names", "use a name in the URL that its certificate has"},
		{"cannot validate certificate for", "use a name in the URL that its certificate has"},
		{"certificate required", askedForCert},
		{"bad certificate", askedForCert},
		{"closed by remote after tls handshake", askedForCert}, // it often comes before the reason does
		{"secure connection not available", "the server has no TLS: use nats:// in the URL"},
	} {
		if strings.Contains(strings.ToLower(err.Error()), known.text) {
			return errors.Errorf("%v; %s", err, known.hint)
		}
	}
	return err
}

// options are how a connection behaves. It comes back by itself, for as long as it
// takes, also after a refusal: credentials are replaced, and read again each time.
// Nothing is kept to be sent later: what was published into a connection that
// broke may have arrived, and only the stream knows.
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
		return nil, errors.New("cannot use a certificate of the client without its key: give both --tls-cert and --tls-key")
	}
	if s.Cert != "" {
		options = append(options, nats.ClientCert(s.Cert, s.Key))
	}
	return options, nil
}

// Obstacle returns what would keep a connection from being made now, as far as the
// files tell that are named. They may be there when it is made.
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

// connect returns a connection that stands, or the context's error.
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
