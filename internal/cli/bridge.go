package cli

import (
	"context"
	"io"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
)

const bridgeLong = `Connect stdin and stdout to the service, for Varlink clients that reach this
host over ssh or that start a command to talk to. It ends when the service closes
the connection; the end of stdin closes only the sending half of the connection.`

const bridgeExample = `  varlink --bridge 'ssh host eventsvc bridge' info
  varlinkctl info ssh-exec:host:'eventsvc bridge'
  eventsvc events --address ssh-exec:host`

func (a *app) bridgeCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:     "bridge",
		Short:   "Connect stdin and stdout to the service, for ssh",
		Long:    bridgeLong,
		Example: bridgeExample,
		Args:    noWords,
		RunE:    func(c *cobra.Command, _ []string) error { return a.bridge(c.Context(), address) },
	}
	addressFlag(c, &address)
	return c
}

func (a *app) bridge(ctx context.Context, address string) error {
	ctx, stop := untilReaderGone(ctx, a.stdout)
	defer stop()
	conn, err := client.Dial(ctx, address)
	if err != nil {
		if failed := failure(ctx); failed != nil { // the reason for giving up
			return failed
		}
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()

	// This goroutine may still wait for stdin when the bridge is done: only the end of
	// the process ends a read from a terminal.
	go func() {
		_, _ = io.Copy(conn, a.stdin) // a broken connection is noticed below
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(a.stdout, conn)
	if ctx.Err() != nil {
		if failed := failure(ctx); failed != nil {
			return failed
		}
		return ctx.Err()
	}
	return errors.Wrap(err, "cannot continue the bridge")
}
