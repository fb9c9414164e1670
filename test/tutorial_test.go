package test

import (
	"os"
	"regexp"
	"testing"
)

// nspawnContainers turns off what a container cannot have in systemd-nspawn.
const nspawnContainers = "[containers]\nkeyring = false\nnetns = \"host\"\ncgroups = \"disabled\"\n"

// tutorial runs every command of docs/tutorial.md, in its order.
func tutorial(t *testing.T, m *machine, _ user) {
	page, err := os.ReadFile("../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 8 {
		t.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	m.sh("ln -sf busybox /opt/image/bin/sleep; tar -C /opt/image -c . | podman import --quiet - docker.io/library/busybox:latest")
	for _, block := range blocks {
		m.sh("set -e\n" + string(block[1]))
	}
}
