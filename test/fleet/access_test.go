package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = template, nil
	a.file, _ = a.issue("ca", template)
	return a
}

// issue writes a certificate and its key, and returns their paths.
func (a *authority) issue(name string, template *x509.Certificate) (cert, key string) {
	a.t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	signer := a.key
	if signer == nil {
		a.key, signer = pair, pair
	}
	text, err := x509.CreateCertificate(rand.Reader, template, a.cert, &pair.PublicKey, signer)
	a.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(pair)
	a.must(err)
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	a.must(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text}), 0o600))
	a.must(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return cert, key
}

func (a *authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// leaf is what issue makes the certificate of a server or a client of.
func leaf(name string, addresses ...net.IP) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: addresses,
	}
}

// refused runs 'eventsvc hosts', which exits with the error, and a forwarder and a
// collector, which log it and retry.
func refused(t *testing.T, h *host, s *server, want string, access ...string) {
	t.Helper()
	out, err := exec.Command(binary, append([]string{"hosts", "--from", s.url}, access...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("hosts %v: %v, want %q\n%s", access, err, want, out)
	}
	for _, p := range []*process{h.forward(s, access...), startCollector(t, s, access...).process} {
		p.awaitSaid(want)
		p.end(syscall.SIGKILL)
		if text := p.out.String(); strings.Count(text, want) > 2 {
			t.Errorf("it says so again and again:\n%s", text)
		}
	}
}

// accepted lets the events of a host pass from a forwarder to a collector.
func accepted(t *testing.T, h *host, s *server, access ...string) {
	t.Helper()
	h.forward(s, access...)
	h.write(100)
	c := startCollector(t, s, access...)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
	out, err := exec.Command(binary, append([]string{"hosts", "--from", s.url}, access...)...).CombinedOutput()
	if err != nil {
		t.Errorf("hosts: %v\n%s", err, out)
	}
}

// With TLS the server's certificate is checked, and the client's is sent. If one is wrong
// or missing, the error says what to do.
func TestFleet_tls(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	cert, key := ours.issue("server", leaf("server", net.IPv4(127, 0, 0, 1)))
	s := startNATS(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", cert, key, ours.file))
	s.url = strings.Replace(s.url, "nats://", "tls://", 1)
	client, clientKey := ours.issue("client", leaf("client"))
	foreign, foreignKey := other.issue("client", leaf("client"))
	h := newHost(t, "h0")
	const asked = "the server requires a client certificate signed by an authority that it trusts"
	refused(t, h, s, "name the file with the authority that signed its certificate with --tls-ca", "--tls-cert", client, "--tls-key", clientKey)
	refused(t, h, s, asked, "--tls-ca", ours.file)
	refused(t, h, s, asked, "--tls-ca", ours.file, "--tls-cert", foreign, "--tls-key", foreignKey)
	elsewhere := &server{process: s.process, dir: s.dir, url: strings.Replace(s.url, "127.0.0.1", "localhost", 1)}
	refused(t, h, elsewhere, "use a name in the URL that its certificate has", "--tls-ca", ours.file, "--tls-cert", client, "--tls-key", clientKey)
	for want, access := range map[string][]string{
		"none.pem: no such file": {"--tls-ca", "none.pem"},
		"--tls-key":              {"--tls-cert", client},
	} {
		out, err := exec.Command(binary, append([]string{"forward", "--to", s.url, "--host", "h0", "--address", "unix:" + h.socket}, access...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, want %q\n%s", access, err, want, out)
		}
	}
	accepted(t, h, s, "--tls-ca", ours.file, "--tls-cert", client, "--tls-key", clientKey)

	plain := startNATS(t)
	plain.url = strings.Replace(plain.url, "nats://", "tls://", 1)
	refused(t, h, plain, "the server has no TLS: use nats:// in the URL")
}

// seed makes an nkey, and returns its public half and the file of its seed.
func seed(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public, file string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return pair, public, file
}

// A client connects with an nkey or a password. With a wrong one, with none, and with a
// file that has none, the error says what to do. A refused client retries: once the
// server knows the key, the forwarder continues by itself.
func TestFleet_nkey(t *testing.T) {
	_, ours, file := seed(t, nkeys.CreateUser)
	_, late, lateFile := seed(t, nkeys.CreateUser)
	config := filepath.Join(t.TempDir(), "users.conf")
	users := func(keys ...string) {
		text := fmt.Sprintf("authorization { users: [ { nkey: %s } ] }\n", strings.Join(keys, " }, { nkey: "))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	users(ours)
	s := startNATS(t, `include "`+relative(t, config)+`"`)
	h := newHost(t, "h0")
	const hint = "check the user in the URL, --creds or --nkey"
	refused(t, h, s, hint)
	withPassword := &server{process: s.process, dir: s.dir, url: strings.Replace(s.url, "//", "//h0:secret@", 1)}
	refused(t, h, withPassword, hint)
	refused(t, h, s, hint, "--nkey", lateFile)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, access := range [][]string{{"--nkey", empty}, {"--nkey", "none"}, {"--creds", "none"}} {
		out, err := exec.Command(binary, append([]string{"forward", "--to", s.url, "--host", "h0", "--address", "unix:" + h.socket}, access...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "cannot use the") || !strings.Contains(string(out), access[1]) {
			t.Errorf("%v: %v\n%s", access, err, out)
		}
	}
	out, err := exec.Command(binary, "hosts", "--from", withPassword.url).CombinedOutput()
	if err == nil || strings.Contains(string(out), "secret") {
		t.Errorf("the password is shown: %v\n%s", err, out)
	}
	waiting := h.forward(s, "--nkey", lateFile)
	waiting.awaitSaid(hint)
	users(ours, late)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	h.write(10)
	c := startCollector(t, s, "--nkey", file)
	await(t, "log", func() map[string]*got { return inLog(t, c.log) }, h)
}

// claims returns a JWT of NATS.
func claims(t *testing.T, by nkeys.KeyPair, subject, kind string, more map[string]any) string {
	t.Helper()
	issuer, err := by.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	nats := map[string]any{"type": kind, "version": 2}
	for key, value := range more {
		nats[key] = value
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]any{"typ": "JWT", "alg": "ed25519-nkey"}) + "." +
		part(map[string]any{"jti": "x", "iat": time.Now().Unix(), "iss": issuer, "sub": subject, "name": kind, "nats": nats})
	signature, err := by.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A client connects with a credentials file, but not with one of another operator or one
// without credentials.
func TestFleet_creds(t *testing.T) {
	credentials := func(operator, account nkeys.KeyPair) (operatorJWT, accountJWT, file string) {
		_, public, seedFile := seed(t, nkeys.CreateUser)
		text, err := os.ReadFile(seedFile)
		if err != nil {
			t.Fatal(err)
		}
		operatorPublic, _ := operator.PublicKey()
		accountPublic, _ := account.PublicKey()
		unlimited := map[string]any{
			"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1, "wildcards": true,
			"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
		}
		user := claims(t, account, public, "user", map[string]any{"subs": -1, "data": -1, "payload": -1})
		file = filepath.Join(t.TempDir(), "user.creds")
		creds := "-----BEGIN NATS USER JWT-----\n" + user + "\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n" + string(text) +
			"\n------END USER NKEY SEED------\n"
		if err := os.WriteFile(file, []byte(creds), 0o600); err != nil {
			t.Fatal(err)
		}
		return claims(t, operator, operatorPublic, "operator", nil), claims(t, operator, accountPublic, "account", map[string]any{"limits": unlimited}), file
	}
	operator, _, _ := seed(t, nkeys.CreateOperator)
	account, public, _ := seed(t, nkeys.CreateAccount)
	_, systemPublic, _ := seed(t, nkeys.CreateAccount)
	operatorJWT, accountJWT, file := credentials(operator, account)
	systemJWT := claims(t, operator, systemPublic, "account", nil)
	stranger, _, _ := seed(t, nkeys.CreateOperator)
	theirs, _, _ := seed(t, nkeys.CreateAccount)
	_, _, foreign := credentials(stranger, theirs)
	s := startNATS(t, "operator: "+operatorJWT, "resolver: MEMORY", "system_account: "+systemPublic,
		"resolver_preload: { "+public+": "+accountJWT+", "+systemPublic+": "+systemJWT+" }")
	h := newHost(t, "h0")
	const hint = "check the user in the URL, --creds or --nkey"
	refused(t, h, s, hint)
	refused(t, h, s, hint, "--creds", foreign)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, h, s, "nkey", "--creds", empty)
	accepted(t, h, s, "--creds", file)
}
