// Command cloudevents prints the events of the stream EVENTS as the SDK of CloudEvents
// understands them, one JSON object a line: an example of a consumer that knows nothing
// of eventsvc. It is a module of its own, so that the SDK is not one of eventsvc's.
//
//	go run . nats://localhost:4222 COUNT
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx := context.Background()
	consumer, err := js.OrderedConsumer(ctx, "EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range n {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		// The binding of NATS names its headers as that of HTTP does, but for this one.
		header := http.Header{"Content-Type": m.Headers()["ce-datacontenttype"]}
		for name, values := range m.Headers() {
			if name != "ce-datacontenttype" {
				header.Set(name, values[0])
			}
		}
		event, err := binding.ToEvent(ctx, cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(m.Data()))))
		if err != nil {
			return err
		}
		if err := event.Validate(); err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(event); err != nil {
			return err
		}
	}
	return nil
}
