// Package nearest finds the word that was probably meant, for error messages. It knows
// no words of its own.
package nearest

import "strings"

// Word returns the word that takes the fewest single-letter edits to reach from the
// given one, regardless of case, and "" if more than half of the letters would have to
// change.
func Word(word string, words []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", len(word)/2+1
	for _, candidate := range words {
		if d := editDistance(word, candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// maxNearest bounds the length of words that editDistance compares, since its cost is
// the product of both lengths and the word comes from a client.
const maxNearest = 64

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	if len(a) > maxNearest || len(b) > maxNearest {
		return max(len(a), len(b))
	}
	var rows [3][maxNearest + 1]int
	for j := range rows[0] {
		rows[0][j] = j
	}
	before, above, row := &rows[2], &rows[0], &rows[1]
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitution := above[j-1]
			if a[i-1] != b[j-1] {
				substitution++
			}
			row[j] = min(substitution, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
