package fleet

import (
	"context"
	"encoding/json"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"
)

// checkpoint is how far the events of a host are in the stream.
type checkpoint struct {
	seq    uint64 // of its last message, 0: it has none
	cursor string // of the last event, "": the stream knows nothing of the host
}

// readCheckpoint reads the host's last message from the stream. If all its messages
// have been removed by age, the cursor is the one in the host's presence.
func readCheckpoint(ctx context.Context, nc *nats.Conn, host string) (checkpoint, error) {
	m, err := lastMessage(ctx, nc, EventsStream, host, hostSubject(host))
	if err != nil {
		return checkpoint{}, errors.WithMessage(err, "cannot read the checkpoint")
	}
	if m != nil {
		place, err := m.Metadata()
		if err != nil {
			return checkpoint{}, errors.Wrap(err, "cannot read the checkpoint")
		}
		return checkpoint{seq: place.Sequence.Stream, cursor: m.Header.Get(cursorHeader)}, nil
	}
	m, err = lastMessage(ctx, nc, HostsStream, host, hostsPrefix+host)
	if err != nil && !isCode(err, codeNoStream) {
		return checkpoint{}, errors.WithMessage(err, "cannot read the presence of the host")
	}
	var known Presence
	if m != nil && json.Unmarshal(m.Data, &known) == nil {
		return checkpoint{cursor: known.Cursor}, nil
	}
	return checkpoint{}, nil
}

// lastMessage returns the last message with the subject, nil if there is none. It uses
// a consumer whose name and filter are part of the request to the server, so that a
// host can be given the right to request only its own messages.
func lastMessage(ctx context.Context, nc *nats.Conn, stream, host, subject string) (*nats.Msg, error) {
	name := host + "-cp"
	var deleted struct{}
	err := request(ctx, nc, nats.NewMsg("$JS.API.CONSUMER.DELETE."+stream+"."+name), &deleted)
	if err != nil && !isCode(err, codeNoConsumer) {
		return nil, err
	}
	create := nats.NewMsg("$JS.API.CONSUMER.CREATE." + stream + "." + name + "." + subject)
	create.Data, err = json.Marshal(map[string]any{
		"stream_name": stream,
		"config": map[string]any{
			"name": name, "deliver_policy": "last", "ack_policy": "none", "filter_subject": subject,
			"mem_storage": true, "num_replicas": 1, "inactive_threshold": 2 * requestTimeout,
		},
	})
	if err != nil {
		return nil, errors.Wrap(err, "cannot ask for a consumer")
	}
	var created struct {
		Pending uint64 `json:"num_pending"`
	}
	if err := request(ctx, nc, create, &created); err != nil || created.Pending == 0 {
		return nil, err
	}
	inbox := nc.NewInbox()
	replies, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, errors.Wrap(err, "cannot listen for the reply")
	}
	defer func() { _ = replies.Unsubscribe() }()
	if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+stream+"."+name, inbox, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
		return nil, errors.Wrap(err, "cannot ask for the last message")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := replies.NextMsgWithContext(ctx)
	if err != nil {
		return nil, errors.Wrap(err, "cannot get the last message")
	}
	if status := m.Header.Get("Status"); status != "" { // removed meanwhile, or the server is not ready
		return nil, errors.Errorf("the server has no last message: %s %s", status, m.Header.Get("Description"))
	}
	return m, nil
}
