package fleet

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// startCluster starts three servers that form a cluster, and returns them together and
// one by one.
func startCluster(t testing.TB) (all *server, servers []*server) {
	t.Helper()
	var routes, urls []string
	for range 3 {
		routes = append(routes, freeAddress(t))
	}
	for i, route := range routes {
		servers = append(servers, startNATS(t, fmt.Sprintf("server_name: n%d\ncluster { name: c, listen: %s, routes: [nats://%s] }",
			i, route, strings.Join(routes, ", nats://"))))
		urls = append(urls, servers[i].url)
	}
	return &server{process: servers[0].process, dir: servers[0].dir, url: strings.Join(urls, ",")}, servers
}

// Three servers in a cluster keep three copies. The one that leads the stream is
// killed while events are written: none is missed, repeated or out
// of order.
func TestFleet_cluster(t *testing.T) {
	all, servers := startCluster(t)
	var hosts []*host
	for i := range 3 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		h.write(200)
		h.forward(all, "--replicas", "3")
		hosts = append(hosts, h)
	}
	c := startCollector(t, all)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, hosts...)
	js, _ := stream(t, all)
	leader := func() string {
		for range 600 {
			events, err := js.Stream(t.Context(), "EVENTS")
			if err == nil {
				if g := events.CachedInfo().Cluster; g != nil && g.Leader != "" && upToDate(g.Replicas) {
					return g.Leader
				}
			}
			time.Sleep(50 * time.Millisecond) // for the election, and for who was away to catch up
		}
		t.Fatal("the stream has no leader")
		return ""
	}
	for range scale() {
		var i int
		if _, err := fmt.Sscanf(leader(), "n%d", &i); err != nil {
			t.Fatal(err)
		}
		for _, h := range hosts {
			h.write(500)
		}
		servers[i].end(syscall.SIGKILL)
		for _, h := range hosts {
			h.write(500)
		}
		await(t, "log", func() map[string]*got { return inLog(t, c.log) }, hosts...)
		servers[i].again()
	}
	await(t, "stream", func() map[string]*got { return inStream(t, all) }, hosts...)
	again := startCollector(t, all)
	await(t, filepath.Base(again.log), func() map[string]*got { return inLog(t, again.log) }, hosts...)
}

// upToDate reports whether all copies are there and complete.
func upToDate(replicas []*jetstream.PeerInfo) bool {
	for _, r := range replicas {
		if r.Offline || !r.Current {
			return false
		}
	}
	return true
}
