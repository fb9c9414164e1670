package varlinkwire

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/internal/limits"
)

const getInfo = `{"method":"org.varlink.service.GetInfo"}`

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
		members(r.parameters, func(name, value []byte) bool {
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

// FuzzJSON makes sure that one pass accepts nothing that the thorough check refuses.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{getInfo, ` {"a" : [ ] , "b":-0,"c":"\u00fc\n"} `, `[[[{}]]]`, `{"a":tru}`, `[1,]`, `[01]`, "\"\xff\""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !isPlain(text) {
			return
		}
		if !utf8.Valid(text) || !json.Valid(text) || depthOf(text) > limits.Depth {
			t.Fatalf("%q is taken for JSON", text)
		}
	})
}
