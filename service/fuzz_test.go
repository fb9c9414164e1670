package service

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzFrame lets a client say anything. The service must answer every call that
// expects it with well-formed replies, or close the connection, and go on.
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
		if r, err := parseRequest(frame); err == nil && strings.HasSuffix(r.method, ".Subscribe") {
			return true
		}
	}
	return false
}

// FuzzRequest holds the parser of calls against encoding/json.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(getInfo))
	f.Add([]byte(` {"parameters" : { "a" : [1,{"b":"}\\\""}] } , "method" : "a.b" , "more" : true, "x": -1.5e7 } `))
	f.Add([]byte(`{"method":"a.b","oneway":true,"parameters":{"a":{"b":{"c":[[],{}]}}}}`))
	f.Add([]byte(`{"\u006dethod":"a.\u0062","parameters":null,"upgrade":false}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := parseRequest(frame)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(frame, &want)
		if err == nil && wantErr != nil {
			t.Fatalf("%q is taken for a call, encoding/json says %v", frame, wantErr)
		}
		if err != nil || r.fault != nil {
			return
		}
		var method string
		if json.Unmarshal(want["method"], &method) != nil || method != r.method {
			t.Fatalf("the method of %q is %q, want %q", frame, r.method, method)
		}
		parameters := bytes.TrimSpace(want["parameters"])
		if len(parameters) == 0 || string(parameters) == "null" {
			parameters = noParameters
		}
		if !bytes.Equal(parameters, r.parameters) {
			t.Fatalf("the parameters of %q are %q, want %q", frame, r.parameters, parameters)
		}
		if r.more != (string(want["more"]) == "true") || r.oneway != (string(want["oneway"]) == "true") {
			t.Fatalf("the flags of %q are %v, %v", frame, r.more, r.oneway)
		}
		members(r.parameters, func(name string, value []byte) bool {
			if !json.Valid(value) {
				t.Fatalf("the value of %q in %q is %q", name, frame, value)
			}
			if isArray(value) {
				elements(value, func(element []byte) bool {
					if !json.Valid(element) {
						t.Fatalf("an element of %q in %q is %q", name, frame, element)
					}
					return true
				})
			}
			return true
		})
	})
}
