// Package registry asks container registries which image a name refers to, the way
// Podman would: with the mirrors of registries.conf, the credentials of auth.json and
// the certificates of certs.d. It is the only package that imports the image library.
// It pulls nothing.
package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/docker/distribution/registry/api/errcode"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// Registry queries registries. It is safe for concurrent use.
type Registry struct{ requests atomic.Int64 }

var _ autoupdate.Registry = (*Registry)(nil)

// New returns a Registry that reads registries.conf again: the library caches what it
// has read, and a service outlives its settings.
func New() *Registry {
	sysregistriesv2.InvalidateCache()
	return new(Registry)
}

// Requests returns how many HTTP requests were made.
func (r *Registry) Requests() int { return int(r.requests.Load()) }

// system returns the settings for connections to registries.
func (r *Registry) system(authFile string) *types.SystemContext {
	return &types.SystemContext{
		AuthFilePath: authFile, DockerRegistryUserAgent: "eventsvc-updater",
		// The only place where requests of the library can be counted: it asks for each
		// one's proxy.
		DockerProxy: func(u *url.URL) (*url.URL, error) {
			r.requests.Add(1)
			return http.ProxyFromEnvironment(&http.Request{URL: u})
		},
	}
}

// parse parses a full name; a short one could mean several registries.
func parse(name string) (reference.Named, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, errors.Wrapf(err, "cannot use image name %q", name)
	}
	if first, _, more := strings.Cut(name, "/"); !more || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return nil, errors.Errorf("cannot use image name %q: it has no registry; name the image in full", name)
	}
	return reference.TagNameOnly(ref), nil
}

// Host returns the registry of a name, or the name itself if it is invalid.
func (*Registry) Host(name string) string {
	ref, err := parse(name)
	if err != nil {
		return name
	}
	return reference.Domain(ref)
}

// Pinned reports whether the name has a digest.
func (*Registry) Pinned(name string) bool {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return false
	}
	_, digested := ref.(reference.Digested)
	return digested
}

// source is a place from which the image can be fetched.
type source struct {
	ref types.ImageReference
	sys *types.SystemContext
}

// sources returns the mirrors and the registry of a name, in the order in which to try
// them.
func (r *Registry) sources(name, authFile string) ([]source, error) {
	ref, err := parse(name)
	if err != nil {
		return nil, err
	}
	sys := r.system(authFile)
	configured, err := sysregistriesv2.FindRegistry(sys, ref.Name())
	if err != nil {
		return nil, errors.Wrap(err, "cannot read registries.conf")
	}
	if configured == nil {
		whole, err := docker.NewReference(ref)
		return []source{{whole, sys}}, errors.Wrapf(err, "cannot use image name %q", name)
	}
	if configured.Blocked {
		return nil, errors.Errorf("cannot ask %s: registries.conf blocks it", reference.Domain(ref))
	}
	places, err := configured.PullSourcesFromReference(ref)
	if err != nil {
		return nil, errors.Wrap(err, "cannot read the mirrors of registries.conf")
	}
	var all []source
	for _, p := range places {
		s := *sys
		if p.Endpoint.Insecure {
			s.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
		}
		place, err := docker.NewReference(p.Reference)
		if err != nil {
			return nil, errors.Wrapf(err, "cannot use image name %q", name)
		}
		all = append(all, source{place, &s})
	}
	return all, nil
}

// first tries the sources in order until one answers.
func first[T any](
	ctx context.Context, r *Registry, name, authFile string, ask func(context.Context, source) (T, error),
) (answer T, err error) {
	all, err := r.sources(name, authFile)
	if err != nil {
		return answer, err
	}
	for _, s := range all {
		err = listen().during(ctx, reference.Domain(s.ref.DockerReference()), func(ctx context.Context) error {
			answer, err = ask(ctx, s)
			return err
		})
		if err == nil {
			return answer, nil
		}
	}
	return answer, judge(err)
}

// judge marks the errors that may go away.
func judge(err error) error {
	var network *net.OpError
	var name *net.DNSError
	var slow net.Error
	var code errcode.Error
	var several errcode.Errors
	// A *url.Error alone proves nothing: it may also be a certificate error or a
	// redirect loop.
	temporary := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, docker.ErrTooManyRequests) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || errors.As(err, &name) || errors.As(err, &slow) && slow.Timeout()
	if errors.As(err, &several) && len(several) > 0 {
		_ = errors.As(several[0], &code)
	} else {
		_ = errors.As(err, &code)
	}
	if code.Code != 0 {
		status := code.Code.Descriptor().HTTPStatusCode
		temporary = temporary || status >= 500 && code.Code != errcode.ErrorCodeUnknown || status == http.StatusTooManyRequests
	}
	for _, word := range []string{"toomanyrequests", "HTTP status: 5", "status code 5", "HTTP 5", "HTTP 429"} {
		temporary = temporary || strings.Contains(err.Error(), word)
	}
	if temporary {
		return fmt.Errorf("%w: %w", autoupdate.ErrTemporary, err)
	}
	return err
}

// Digest returns the digest that a name refers to now, by a HEAD request, or a GET if
// the registry does not put it into the header.
func (r *Registry) Digest(ctx context.Context, name, authFile string) (string, error) {
	return first(ctx, r, name, authFile, func(ctx context.Context, s source) (string, error) {
		d, err := docker.GetDigest(ctx, s.sys, s.ref)
		if errors.Is(err, digest.ErrDigestInvalidFormat) || errors.Is(err, digest.ErrDigestInvalidLength) || errors.Is(err, digest.ErrDigestUnsupported) {
			raw, _, err := s.manifest(ctx, s.sys)
			return digest.FromBytes(raw).String(), err
		}
		return d.String(), err
	})
}

// Resolve finds the manifest for the platform of an image.
func (r *Registry) Resolve(ctx context.Context, name, authFile string, like autoupdate.Image) (autoupdate.Remote, error) {
	return first(ctx, r, name, authFile, func(ctx context.Context, s source) (autoupdate.Remote, error) { return s.resolve(ctx, like) })
}

// manifest returns the manifest or index as the registry sends it, and its media type.
func (s source) manifest(ctx context.Context, sys *types.SystemContext) ([]byte, string, error) {
	// The mirrors are already tried one by one here.
	src, err := s.ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, "", err
	}
	defer src.Close()
	return src.GetManifest(ctx, nil)
}

func (s source) resolve(ctx context.Context, like autoupdate.Image) (remote autoupdate.Remote, err error) {
	sys := *s.sys
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = like.OS, like.Architecture, like.Variant
	raw, kind, err := s.manifest(ctx, &sys)
	if err != nil {
		return remote, err
	}
	whole, err := manifest.Digest(raw)
	if err != nil {
		return remote, err
	}
	remote = autoupdate.Remote{Digest: whole.String(), Instance: whole.String()}
	if !manifest.MIMETypeIsMultiImage(kind) {
		m, err := manifest.FromBlob(raw, kind)
		if err != nil {
			return remote, errors.Wrap(err, "cannot read the manifest that the registry sent")
		}
		for _, l := range m.LayerInfos() {
			if l.Size > 0 {
				remote.Size += l.Size
			}
		}
		return remote, nil
	}
	list, err := manifest.ListFromBlob(raw, kind)
	if err != nil {
		return remote, errors.Wrap(err, "cannot read the index that the registry sent")
	}
	instance, err := list.ChooseInstance(&sys)
	remote.Instance = instance.String()
	return remote, err
}
