package config

import (
	"strings"
	"testing"
)

func TestDepth_refuses(t *testing.T) {
	for name, text := range map[string]string{
		"Error when inline tables are nested absurdly deep": strings.Repeat("a={", maxFileSize/3),
		"Error when arrays are nested absurdly deep":        "a=" + strings.Repeat("[", maxFileSize-2),
		"Error when a dotted key is absurdly long":          strings.Repeat("a.", maxFileSize/2-2) + "a=1",
		"Error when the depth hides among strings":          strings.Repeat("'}'={\"\\\"\" = '\"', b={ # '''\n", maxDepth/2+1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse("x.conf", []byte(text))
			want := "cannot read x.conf: more than 2000 dots, braces and brackets outside strings; make it a containers.conf"
			if err == nil || err.Error() != want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Strings and comments have no depth.
func TestDepth_stringsAndComments(t *testing.T) {
	dots := strings.Repeat("10.0.0.1,{[", maxDepth)
	for _, text := range []string{
		"# " + dots,
		"x = '" + dots + "'",
		`x = "\"` + dots + `"`,
		"x = \"\"\"\n\"\"" + dots + "\\\"\"\"\"\"\"",
		"x = '''\n" + dots + "'''''",
		`x = "" # ` + dots,
	} {
		found, err := parse("x.conf", []byte("[engine]\n"+text+"\nevents_logger = 'file'\n"))
		if err != nil || found.logger.value != "file" {
			t.Errorf("%.40q: got %+v, %v", text, found.logger, err)
		}
	}
}
