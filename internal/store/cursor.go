package store

import (
	"strings"

	"github.com/eventsvc/eventsvc/events"
)

// cursorForms are what the cursors of each kind of store begin with: a letter, and
// so many letters of base64 and a check at least.
var cursorForms = map[events.EventerType]struct {
	letter byte
	length int
}{
	events.LogFile:  {'f', 26},
	events.Journald: {'j', 58},
}

// IsCursorOfOtherKind reports whether a text that is no cursor of a store of this
// kind has the form of one of another kind. The service sent it when its store was
// that one: the place is gone, and an *events.ExpiredError says so. Any other text
// is an *events.CursorError.
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
