package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine returns a line that names the machine and the peers.
func machine(podmans ...*podman) string {
	peers := []string{firstLine("grep", "--version"), "varlink/go " + moduleVersion("github.com/varlink/go")}
	for _, p := range podmans {
		if p.missing == "" {
			peers = append(peers, p.name)
		} else {
			peers = append(peers, p.missing)
		}
	}
	return fmt.Sprintf("Machine: %s, %d cores, %s, Linux %s, %s. Peers: %s.",
		processor(), runtime.NumCPU(), memory(), kernel(), runtime.Version(), strings.Join(peers, ", "))
}

func processor() string { return field("/proc/cpuinfo", "model name", runtime.GOARCH) }

func memory() string {
	var kB int
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal", ""), &kB); err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GB", float64(kB)/1e6)
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// field returns the value of the first line "name: value" of a file.
func field(path, name, byDefault string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.SplitSeq(string(b), "\n") {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return byDefault
}

func firstLine(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "no " + program
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
