package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/pkg/errors"
)

// Error codes of JetStream, and the sizes of batches.
const (
	codeTooLong       = 10054 // the message is longer than the stream accepts
	codeNoStream      = 10059
	codeFence         = 10071 // another message is the last of the host
	codeNoConsumer    = 10014
	leastBatch        = 32 // waiting events; fewer are published one by one, which takes less time for each
	mostBatch         = 500
	mostBatchBytes    = 4 << 20
	headroomOfPayload = 4 << 10
)

// apiError is an error reply of JetStream.
type apiError struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("NATS: %s (%d)", e.Description, e.Code) }

// isCode reports whether err is an error of JetStream with that code.
func isCode(err error, code int) bool {
	var e *apiError
	return errors.As(err, &e) && e.Code == code
}

// request sends a message and reads the JSON of its reply.
func request(ctx context.Context, nc *nats.Conn, m *nats.Msg, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	before := nc.LastError()
	reply, err := nc.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrNoResponders) {
		if strings.HasPrefix(m.Subject, eventsPrefix) {
			return errors.Errorf("cannot publish to %s: no stream accepts it; create the stream with --create; if another program's stream is named %s, "+
				"give the fleet an account of its own", m.Subject, EventsStream)
		}
		return errors.Errorf("cannot ask %s: this server, or the user's account, has no JetStream; enable it there", m.Subject)
	}
	if err != nil {
		return unanswered(nc, m.Subject, before, err)
	}
	if len(reply.Data) == 0 {
		return nil // an empty reply accepts the first message of a batch
	}
	var failed struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &failed); err != nil {
		return errors.Wrapf(err, "cannot understand the answer to %s", m.Subject)
	}
	if failed.Error != nil {
		return failed.Error
	}
	return errors.Wrapf(json.Unmarshal(reply.Data, into), "cannot understand the answer to %s", m.Subject)
}

// unanswered returns an error that says why a message got no reply. A server that
// refuses a message because the user lacks the right does not reply to it, but sends
// an error for the connection.
func unanswered(nc *nats.Conn, subject string, before, err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) { // the buffer has the size 0: there is no connection
		return errors.Errorf("cannot send %s: there is no connection to NATS", subject)
	}
	//nolint:errorlint // identity: whether there is a new error
	if last := nc.LastError(); last != before && errors.Is(last, nats.ErrPermissionViolation) {
		return errors.Errorf("cannot send %s: there is no answer: %v; %s", subject, last, rightsHint)
	}
	return errors.Wrapf(err, "cannot send %s: there is no answer", subject)
}

// publisher publishes the events of one host. It is not safe for concurrent use.
type publisher struct {
	nc   *nats.Conn
	host string
	last uint64 // sequence number of the host's last message
	// singles is the number of further rounds without a batch, after the server has
	// refused one: it allows only a few open batches for each stream.
	singles int
}

// publish publishes messages in their order. After an error some or all of them may
// be in the stream, so the checkpoint must be read again.
func (p *publisher) publish(ctx context.Context, messages []*nats.Msg) error {
	if len(messages) < leastBatch || p.singles > 0 {
		p.singles = max(0, p.singles-1)
		for _, m := range messages {
			if err := p.one(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}
	err := p.batch(ctx, messages)
	var refused *apiError
	if errors.As(err, &refused) && refused.Code != codeFence {
		p.singles = 8
	}
	return err
}

type ack struct {
	Seq uint64 `json:"seq"`
}

func (p *publisher) one(ctx context.Context, m *nats.Msg) error {
	fence(m, p.host, p.last)
	var a ack
	if err := request(ctx, p.nc, m, &a); err != nil {
		return err
	}
	p.last = a.Seq
	return nil
}

// batch publishes messages as one atomic batch. The first message is a request,
// because the server would otherwise refuse a batch without an error.
func (p *publisher) batch(ctx context.Context, messages []*nats.Msg) error {
	fence(messages[0], p.host, p.last)
	id := nuid.Next()
	var a ack
	for i, m := range messages {
		m.Header[batchHeader] = []string{id}
		m.Header[batchPlaceHeader] = []string{strconv.Itoa(i + 1)}
		var err error
		switch i {
		case len(messages) - 1:
			m.Header[batchCommitHeader] = []string{"1"}
			err = request(ctx, p.nc, m, &a)
		case 0:
			err = request(ctx, p.nc, m, &a)
		default:
			err = errors.Wrap(p.nc.PublishMsg(m), "cannot publish")
		}
		if err != nil {
			return err
		}
	}
	p.last = a.Seq
	return nil
}
