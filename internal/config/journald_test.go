package config

import (
	"strings"
	"testing"
)

func TestJournalDrops_warning(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // the beginning
	}{
		{"No file", nil, ""},
		{"The default", map[string]string{"etc/systemd/journald.conf": "[Journal]\n#MaxLevelStore=warning\n"}, ""},
		{"Enough", map[string]string{"etc/systemd/journald.conf": "[Journal]\nMaxLevelStore=info\n"}, ""},
		{
			"Health checks only",
			map[string]string{"etc/systemd/journald.conf": "[Journal]\nMaxLevelStore=notice\n"},
			"journald drops every event of Podman but health_status: MaxLevelStore= in /etc/systemd/journald.conf:2 stores priorities up to 5",
		},
		{"A number in a drop-in", map[string]string{
			"etc/systemd/journald.conf":                "[Journal]\nMaxLevelStore=debug\n",
			"usr/lib/systemd/journald.conf.d/10.conf":  "[Journal]\n\n MaxLevelStore = 4\n",
			"run/systemd/journald.conf.d/09.conf":      "[Journal]\nMaxLevelStore=7\n",
			"run/systemd/journald.conf.d/11-off.conf~": "[Journal]\nMaxLevelStore=7\n",
		}, "journald drops every event of Podman: MaxLevelStore= in /usr/lib/systemd/journald.conf.d/10.conf:3 stores priorities up to 4"},
		{"A drop-in that is hidden", map[string]string{
			"usr/lib/systemd/journald.conf.d/10.conf": "[Journal]\nMaxLevelStore=err\n",
			"etc/systemd/journald.conf.d/10.conf":     "",
		}, ""},
		{"Another section, nonsense, and back to the default", map[string]string{
			"etc/systemd/journald.conf": "[Other]\nMaxLevelStore=err\n[Journal]\nMaxLevelStore=loud\nMaxLevelStore=err\nMaxLevelStore=\n",
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := JournalDrops(plant(t, test.files))
			if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}
