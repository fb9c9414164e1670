package metrics

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pkg/errors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The bounds of HTTP clients. A scraper keeps one connection, and makes one request at
// a time.
const (
	maxConnections = 16
	maxAtOnce      = 4
	maxHeader      = 16 << 10
	headerTimeout  = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 5 * time.Minute
)

// Serve answers GET /metrics on a listener, over HTTP, until the context is
// done. It closes the listener.
func (m *Metrics) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxAtOnce, EnableOpenMetrics: true,
	}))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	err := server.Serve(&bounded{Listener: l, slots: make(chan struct{}, maxConnections)})
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return errors.Wrap(err, "cannot serve metrics")
}

// bounded accepts only so many connections at a time. Others wait.
type bounded struct {
	net.Listener
	slots chan struct{}
}

// Accept waits for a free slot, and for a connection.
func (b *bounded) Accept() (net.Conn, error) {
	b.slots <- struct{}{}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &slotted{Conn: c, give: sync.OnceFunc(func() { <-b.slots })}, nil
}

// slotted is a connection that has a slot.
type slotted struct {
	net.Conn
	give func()
}

// Close releases the slot.
func (c *slotted) Close() error {
	defer c.give()
	return c.Conn.Close()
}
