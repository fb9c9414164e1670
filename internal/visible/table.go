package visible

import (
	"io"
	"strings"
)

// Table is rows of cells, printed in columns two blanks apart. The zero value has no
// rows.
type Table struct {
	rows   [][]string
	widths []int // of the columns
}

// Row adds a row, with Text applied to each cell.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Text(cell)
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], Width(row[i]))
	}
	t.rows = append(t.rows, row)
}

// Print writes the rows, without trailing blanks.
func (t *Table) Print(w io.Writer) error {
	const gap = 2
	var b strings.Builder
	for _, row := range t.rows {
		blanks := 0
		for i, cell := range row {
			if cell != "" {
				b.WriteString(strings.Repeat(" ", blanks) + cell)
				blanks = 0
			}
			blanks += t.widths[i] - Width(cell) + gap
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
