package varlinkwire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// foreignError is returned for a client that does not speak Varlink, and is the reply
// to it. Without it the client would wait until the request times out.
type foreignError string

// Error says what is wrong.
func (foreignError) Error() string { return "the client does not speak Varlink" }

// checkForeign returns a foreignError if the first bytes that a client sent cannot
// begin a call: HTTP, as from clients of Podman's API, or anything that is not a JSON
// object.
func checkForeign(text []byte) error {
	if isHTTP(text) {
		return foreignError(httpReply)
	}
	// A whole frame is checked as one.
	if begin := bytes.TrimLeft(text, " \t\r\n"); len(begin) > 0 && begin[0] != '{' && bytes.IndexByte(text, 0) < 0 {
		return foreignError(varlinkText)
	}
	return nil
}

// lacksEnd reports whether the first bytes that a client sent are a whole call, with a
// newline in place of the NUL.
func lacksEnd(text []byte) bool {
	return len(text) <= limits.ReadBuffer && bytes.HasSuffix(text, []byte{'\n'}) && json.Valid(text)
}

// endTimeout is how long the NUL of such a call may take: it may be sent separately.
const endTimeout = time.Second

const endText = "A Varlink call ends with a NUL byte (\\0), not with a newline.\n"

// httpMethods are the words with which an HTTP request begins (RFC 9110, RFC 9113).
var httpMethods = [...]string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "}

// isHTTP reports whether the first bytes that a client sent are an HTTP request. No
// Varlink call begins like that.
func isHTTP(text []byte) bool {
	for _, method := range httpMethods {
		if bytes.HasPrefix(text, []byte(method)) {
			return true
		}
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return len(line) > 0 && line[0] != '{' && bytes.Contains(line, []byte(" HTTP/"))
}

const varlinkText = "This socket speaks Varlink (https://varlink.org), and nothing else: not HTTP, TLS or SSH.\n" +
	"Try: varlinkctl introspect PATH io.podman.events, or: eventsvc events --address unix:PATH\n" +
	"Podman's own API is on another socket: podman info --format '{{.Host.RemoteSocket.Path}}'\n"

// httpReply is the reply to a client that speaks HTTP.
var httpReply = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
	strconv.Itoa(len(varlinkText)) + "\r\nConnection: close\r\n\r\n" + varlinkText
