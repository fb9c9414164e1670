package service

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzFrame lets a client send anything. The service must answer every call that
// expects it with well-formed replies, or close the connection, and keep serving
// others.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		getInfo,
		`{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.podman.events"}}`,
		`{"method":"io.podman.events.GetStatus","parameters":null}`,
		`{"method":"io.podman.events.GetEvents","parameters":{"filters":["name=c1","status!=died","label=a=b"],"since":"1h","until":"now","limit":3},"more":true}`,
		`{"method":"io.podman.events.Subscribe","parameters":{"until":"now","fromStart":true,"heartbeatSec":1},"more":true}`,
		`{"method":"io.podman.events.GetLastEvent","parameters":{"filters":["type=raw:x"]},"oneway":true}`,
		`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"container","status":"died","exitCode":3,"attributes":{"a":"b"}}}}`,
		`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"container","status":"died","id":"\ud83d\ude00"}}}`,
		`{"method":"a.b","upgrade":true,"more":true,"oneway":true}`,
		`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
		"\x00", "{}\x00{}\x00" + getInfo, `{"a":"\u`, "{\"method\":\"\xff\"}", ` `,
	} {
		f.Add([]byte(seed))
	}
	r := newRig(f)
	r.write(eventList(0, 3)...)
	f.Fuzz(func(t *testing.T, said []byte) {
		if bytes.Contains(said, []byte(`"Subscribe`)) || bytes.Contains(said, []byte(`.Subscribe`)) || bytes.Contains(said, []byte(`\u`)) {
			// A subscription need not end by itself: it ends here when the
			// client is gone.
			c := dial(t, r.path)
			_, _ = c.conn.Write(append(said, 0))
			c.conn.Close()
		}
		c := dial(t, r.path)
		_ = c.conn.SetDeadline(time.Now().Add(patience))
		go func() {
			_, _ = c.conn.Write(said)
			_, _ = c.conn.Write([]byte{0})
			_ = c.conn.CloseWrite()
		}()
		if subscribes(said) {
			return
		}
		got, err := io.ReadAll(c.conn)
		if err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("%q is answered with %q, %v", said, got, err)
		}
		if text := string(got); strings.HasPrefix(text, "HTTP/1.1 400 ") || strings.HasPrefix(text, "This socket speaks Varlink") {
			return // the first bytes came alone, and begin no call
		}
		for i, frame := range bytes.Split(got, []byte{0}) {
			var reply struct {
				Error      string
				Parameters json.RawMessage
				Continues  bool
			}
			if len(frame) == 0 && i == bytes.Count(got, []byte{0}) {
				break
			}
			decoder := json.NewDecoder(bytes.NewReader(frame))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&reply); err != nil || len(reply.Parameters) == 0 || reply.Parameters[0] != '{' {
				t.Fatalf("%q is answered with %q: %v", said, frame, err)
			}
		}
	})
}

// subscribes reports whether one of the frames begins a stream.
func subscribes(said []byte) bool {
	for _, frame := range bytes.Split(said, []byte{0}) {
		var call struct{ Method string }
		if json.Unmarshal(frame, &call) == nil && strings.HasSuffix(call.Method, ".Subscribe") {
			return true
		}
	}
	return false
}
