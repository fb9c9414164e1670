package varlinkwire

import (
	"bytes"
	"strconv"

	"github.com/pkg/errors"
)

// errHTTP is returned for a client that speaks HTTP, as those of Podman's API do.
// It would wait for an answer until the time for a request is over.
var errHTTP = errors.New("the client speaks HTTP")

// httpMethods are the words that a request of HTTP begins with (RFC 9110, RFC 9113).
var httpMethods = [...]string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "}

// isHTTP reports whether what a client has sent first is a request of HTTP. No
// call of Varlink begins like that.
func isHTTP(text []byte) bool {
	for _, method := range httpMethods {
		if bytes.HasPrefix(text, []byte(method)) {
			return true
		}
	}
	return false
}

const httpText = "This socket speaks Varlink (https://varlink.org), not HTTP.\n" +
	"Try: varlinkctl introspect PATH io.podman.events, or: eventsvc events --address unix:PATH\n" +
	"Podman's own API is on another socket: podman info --format '{{.Host.RemoteSocket.Path}}'\n"

// httpReply is the answer to such a client.
var httpReply = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " +
	strconv.Itoa(len(httpText)) + "\r\nConnection: close\r\n\r\n" + httpText
