package oldclient

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// wire is a connection, as the Varlink library of that time used it.
type wire struct {
	conn io.ReadWriter
	in   *bufio.Reader
}

func newWire(conn io.ReadWriter) *wire { return &wire{conn, bufio.NewReader(conn)} }

// reply is one message of the service.
type reply struct {
	Parameters *json.RawMessage `json:"parameters"`
	Continues  bool             `json:"continues"`
	Error      string           `json:"error"`
}

// remoteError is an error that the service sent.
type remoteError struct {
	name       string
	parameters *json.RawMessage
}

// Error returns what the client prints: the reason of ErrorOccurred, and the name of
// any other error.
func (e *remoteError) Error() string {
	var in struct {
		Reason string `json:"reason"`
	}
	if e.name == "io.podman.ErrorOccurred" && e.parameters != nil && json.Unmarshal(*e.parameters, &in) == nil {
		return in.Reason
	}
	return e.name
}

func (w *wire) send(frame string) error {
	_, err := io.WriteString(w.conn, frame+"\x00")
	return err
}

func (w *wire) receive() (reply, error) {
	var r reply
	frame, err := w.in.ReadBytes(0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return r, err
	}
	if err := json.Unmarshal(frame[:len(frame)-1], &r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, &remoteError{r.Error, r.Parameters}
	}
	return r, nil
}

// decode decodes the parameters of a reply.
func (r *reply) decode(into any) {
	if r.Parameters != nil {
		// A member of the wrong type is left out, and the others are decoded.
		_ = json.Unmarshal(*r.Parameters, into)
	}
}
