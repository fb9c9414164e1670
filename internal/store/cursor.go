package store

import (
	"strings"

	"github.com/eventsvc/eventsvc/events"
)

// cursorForms are the prefixes of the cursors of each kind of store: a letter, and the
// least number of base64 letters and check letters.
var cursorForms = map[events.EventerType]struct {
	letter byte
	length int
}{
	events.LogFile:  {'f', 26},
	events.Journald: {'j', 58},
}

// IsCursorOfOtherKind reports whether a text, which is not a cursor of a store of this
// kind, has the form of another kind's. The service made it when its store was of that
// kind: its place is gone, which is an *events.ExpiredError. Any other text is an
// *events.CursorError.
func IsCursorOfOtherKind(text string, kind events.EventerType) bool {
	for of, form := range cursorForms {
		if of == kind || len(text) < form.length || text[0] != form.letter {
			continue
		}
		head, rest := text[:form.length], text[form.length:]
		if strings.Trim(head, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == "" &&
			(rest == "" || rest[0] == '.' || rest[0] == '@') {
			return true
		}
	}
	return false
}
