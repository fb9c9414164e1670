package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

const aManifest = `{"schemaVersion":2,"mediaType":"` + manifestType + `",` +
	`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,` +
	`"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}`

// serve is a registry on loopback whose answers for manifests a test makes. It
// returns its host and a count of requests for manifests.
func serve(t *testing.T, manifests http.HandlerFunc) (host string, asked func() int) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			mu.Lock()
			count++
			mu.Unlock()
			manifests(w, r)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	host = strings.TrimPrefix(s.URL, "http://")
	path := filepath.Join(t.TempDir(), "registries.conf")
	t.Setenv("CONTAINERS_REGISTRIES_CONF", path)
	if err := os.WriteFile(path, []byte("[[registry]]\nlocation = \""+host+"\"\ninsecure = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return host, func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// A registry that refuses is left alone at once, for as long as it asks.
func TestDigest_refused(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "3600": time.Hour, "1": time.Second, "soon": 0, "-5": 0,
		time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat): 2 * time.Hour,
	} {
		host, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := New().Digest(t.Context(), host+"/app:latest", "")
		var later autoupdate.Later
		if !errors.As(err, &later) || !errors.Is(err, autoupdate.ErrTemporary) || (later.For-want).Abs() > time.Minute {
			t.Errorf("Retry-After %q: error is %v (%v), want to wait %v", header, err, later.For, want)
		}
		if n := asked(); n != 1 {
			t.Errorf("Retry-After %q: asked %d times, want once", header, n)
		}
	}
}

// What a registry answers that is no manifest is an error of that image, and no
// reason to leave the registry alone, unless it may be gone later.
func TestResolve_badAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer    http.HandlerFunc
		temporary bool
	}{
		"HTML": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>Sign in to this network</html>")
		}},
		"huge": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", manifestType)
			space := []byte(strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := w.Write(space); err != nil {
					return
				}
			}
		}},
		"headers": {answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 12<<20)) }},
		"circle":  {answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		"file": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}},
		"missing": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }},
		"teapot":  {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }},
		"down":    {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, temporary: true},
		"cut":     {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, temporary: true},
		"no index": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			host, _ := serve(t, c.answer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r := New()
			_, err := r.Digest(ctx, host+"/app:latest", "")
			if err == nil || name == "HTML" || name == "huge" {
				_, err = r.Resolve(ctx, host+"/app:latest", "", autoupdate.Image{OS: "linux", Architecture: "amd64"})
			}
			if err == nil || errors.Is(err, autoupdate.ErrTemporary) != c.temporary || len(err.Error()) > 1000 {
				t.Errorf("the error is %.2000v", err)
			}
			t.Log(err)
		})
	}
}

// The header with the digest is not required of a registry, nor is it believed
// when the manifest is there.
func TestDigest_headerMissingOrWrong(t *testing.T) {
	want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(aManifest)))
	for _, header := range []string{"", "nonsense", "sha256:short"} {
		host, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", manifestType)
			if header != "" {
				w.Header().Set("Docker-Content-Digest", header)
			}
			_, _ = io.WriteString(w, aManifest)
		})
		if got, err := New().Digest(t.Context(), host+"/app:latest", ""); err != nil || got != want {
			t.Errorf("header %q: digest %q, %v, want %s", header, got, err, want)
		}
	}
	host, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
		_, _ = io.WriteString(w, aManifest)
	})
	got, err := New().Resolve(t.Context(), host+"/app:latest", "", autoupdate.Image{OS: "linux", Architecture: "amd64"})
	if err != nil || got.Digest != want || got.Instance != want {
		t.Errorf("a wrong digest was announced: %+v, %v, want %s", got, err, want)
	}
}

// Names as they are written in units, and what they mean.
func TestRegistry_names(t *testing.T) {
	r := New()
	for name, want := range map[string]string{
		"docker.io/app":                              "docker.io",
		"docker.io/library/app:1":                    "docker.io",
		"[::1]:5000/app:latest":                      "[::1]:5000/app:latest", // Podman does not take it either
		"localhost/app":                              "localhost",
		"registry.test:5000/a/b/c@sha256:" + aDigest: "registry.test:5000",
		"registry.test/app:1@sha256:" + aDigest:      "registry.test",
		"app":                                        "app",
		aDigest:                                      aDigest,
		"sha256:" + aDigest:                          "sha256:" + aDigest,
		"REGISTRY.TEST/App":                          "REGISTRY.TEST/App",
		"oci-archive:/some/file.tar":                 "oci-archive:/some/file.tar",
		"registry.test/app:latest\nregistry.test/app:new": "registry.test/app:latest\nregistry.test/app:new",
	} {
		if got := r.Host(name); got != want {
			t.Errorf("host of %q is %q, want %q", name, got, want)
		}
		if got := r.Pinned(name); got != strings.Contains(name, "@sha256:") {
			t.Errorf("%q is pinned: %v", name, got)
		}
		if want == name { // not a name of an image in a registry
			if _, err := r.Digest(t.Context(), name, ""); err == nil || errors.Is(err, autoupdate.ErrTemporary) {
				t.Errorf("the check of %q: %v", name, err)
			}
		}
	}
}

const aDigest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
