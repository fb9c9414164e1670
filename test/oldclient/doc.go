// Package oldclient imitates podman-remote 1.9.3 for tests: the bytes that it sends,
// how it reads replies, what it prints, and its exit code. Tests compare it with
// recorded conversations of the real client in testdata.
//
// It does what makes an old client hard to serve: it waits without end for a reply,
// stops at words that it does not know, and takes a blank event for the end.
package oldclient
