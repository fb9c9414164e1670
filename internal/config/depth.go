package config

import (
	"bytes"

	"github.com/pkg/errors"
)

// maxDepth bounds the dots, braces and brackets of a file outside strings and comments,
// and with them the depth of its keys and values. Real files have fewer than 100. The
// decoder's stack grows with the depth of values, and its memory with the square of the
// depth of keys: 1 MB of nested braces would take some 500 GB.
const maxDepth = 2000

// checkDepth refuses a text that would take too much to decode.
func checkDepth(text []byte) error {
	depth := 0
	for len(text) > 0 {
		skip := 1
		switch text[0] {
		case '.', '{', '[':
			if depth++; depth > maxDepth {
				return errors.Errorf("more than %d dots, braces and brackets outside strings", maxDepth)
			}
		case '#':
			skip = lineEnd(text)
		case '"', '\'':
			skip = stringEnd(text)
		}
		text = text[skip:]
	}
	return nil
}

// lineEnd returns the length of text's first line, without its newline.
func lineEnd(text []byte) int {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return end
	}
	return len(text)
}

// stringEnd returns the length of the TOML string at the start of text. An unclosed one
// ends with its line or, if it is a multi-line string, with the text.
func stringEnd(text []byte) int {
	quote := text[0]
	delimiter := bytes.Repeat([]byte{quote}, 3)
	many := bytes.HasPrefix(text, delimiter)
	if !many {
		delimiter = delimiter[:1]
		text = text[:lineEnd(text)]
	}
	for i := len(delimiter); i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case bytes.HasPrefix(text[i:], delimiter):
			end := i + len(delimiter)
			// Up to two more quotes are part of the string.
			for extra := 0; many && extra < 2 && end < len(text) && text[end] == quote; extra++ {
				end++
			}
			return end
		}
	}
	return len(text)
}
