package fleet

import (
	"context"
	"log/slog"
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
}

// The times of a connection. All but the first bound how long a server that is
// gone goes unnoticed.
const (
	reconnectWait = 250 * time.Millisecond
	dialTimeout   = 2 * time.Second
	pingInterval  = 5 * time.Second
	// requestTimeout bounds the wait for one reply of the server.
	requestTimeout = 5 * time.Second
)

const reconnected = "connected to NATS again"

// options are how a connection behaves. It comes back by itself, for as long as it
// takes, and nothing is kept to be sent later: what was published into a
// connection that broke may have arrived, and only the stream knows.
func (s *Server) options(name, inbox string, log *slog.Logger) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1),
		nats.RetryOnFailedConnect(true), nats.Timeout(dialTimeout), nats.PingInterval(pingInterval), nats.CustomInboxPrefix(inbox),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lost the connection to NATS; connecting again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info(reconnected) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports an error", "error", err) }),
	}
	if s.Creds != "" {
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
	if s.Cert != "" || s.Key != "" {
		options = append(options, nats.ClientCert(s.Cert, s.Key))
	}
	return options, nil
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
		return nil, errors.Wrapf(err, "cannot connect to NATS at %s", s.URL)
	}
	if nc.IsConnected() {
		return nc, nil
	}
	log.Warn("cannot reach NATS yet; trying again and again", "servers", s.URL)
	select {
	case <-connected:
		return nc, nil
	case <-ctx.Done():
		nc.Close()
		return nil, ctx.Err()
	}
}
