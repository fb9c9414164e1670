// Command badregistry is a proxy for a container registry that misbehaves
// as a test wants: it delays each request, refuses manifests with 429, never
// answers for them, or announces a digest that it does not serve.
//
//	badregistry LISTEN TARGET delay DURATION | 429 [SECONDS] | hang | lie | huge
package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: badregistry LISTEN TARGET MODE [ARGUMENT]")
		os.Exit(2)
	}
	target, err := url.Parse(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	argument := ""
	if len(os.Args) > 4 {
		argument = os.Args[4]
	}
	p := misbehaving{httputil.NewSingleHostReverseProxy(target), os.Args[3], argument}
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], p)) //nolint:gosec // loopback, for a test
	os.Exit(1)
}

type misbehaving struct {
	registry       http.Handler
	mode, argument string
}

func (m misbehaving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fmt.Println(r.Method, r.URL.Path)
	manifest := strings.Contains(r.URL.Path, "/manifests/")
	switch {
	case m.mode == "delay":
		d, _ := time.ParseDuration(m.argument)
		time.Sleep(d)
	case m.mode == "429" && manifest:
		if m.argument != "" {
			w.Header().Set("Retry-After", m.argument)
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case m.mode == "hang" && manifest:
		<-r.Context().Done()
		return
	case m.mode == "lie" && manifest && r.Method == http.MethodHead:
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		return
	case m.mode == "huge" && manifest:
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("b", 64))
		if r.Method == http.MethodGet {
			space := []byte(strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := w.Write(space); err != nil {
					return
				}
			}
		}
		return
	}
	m.registry.ServeHTTP(w, r)
}
