// Package timeline says what container events mean for a person who asks why a
// container restarted last night: one lane for each container, with what state it
// was in when, what went wrong, and how often.
//
// It reads events in the order of the store and holds a bounded amount of memory,
// however many there are: at most MaxLanes lanes, each divided into Cells parts.
// It must not know where events come from or who looks at them; Picture draws the
// lanes as plain text.
package timeline
