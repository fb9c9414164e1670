// Package oldclient imitates podman-remote 1.9.3 for tests: the bytes that it
// sends, what it makes of replies, what it prints, and its exit code. It is
// held against recorded conversations of the real one in testdata.
//
// It has the habits that make an old client hard to serve: it waits without
// end for a reply, stops at words that it does not know, and takes a blank
// event for the end.
package oldclient
