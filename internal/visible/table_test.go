package visible

import (
	"strings"
	"testing"
)

// TestTable_cells: columns stand below each other as a terminal draws them, whose cells
// are neither bytes nor characters.
func TestTable_cells(t *testing.T) {
	var table Table
	table.Row("NAME", "STATUS", "IMAGE")
	table.Row("容器web", "start", "busybox")
	table.Row("🐳", "", "pg")
	table.Row("e\u0301te\u0301", "died\x1b[31m", "")
	table.Row("läuft", "start", "nginx\n")
	const want = `NAME     STATUS        IMAGE
容器web  start         busybox
🐳                     pg
e\'te\'      died\x1b[31m
läuft    start         nginx\n
`
	var b strings.Builder
	if err := table.Print(&b); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(want, `e\'te\'`, "e\u0301te\u0301"); b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
