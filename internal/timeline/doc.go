// Package timeline shows container events to a person who wants to know why a container
// restarted last night: one lane for each container, with its state over time, its
// failures, and their number.
//
// It reads events in the order of the store and uses a bounded amount of memory,
// however many there are: at most MaxLanes lanes, each divided into Cells cells. It
// must not know where events come from or who views them; Picture draws the lanes as
// plain text.
package timeline
