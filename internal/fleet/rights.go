package fleet

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// WriteConfig writes a configuration of nats-server for hosts: each may publish its own
// events and presence, and read back its own last message; the user "collect" may read
// the streams, and "admin" may do everything.
func WriteConfig(w io.Writer, hosts []string) error {
	var b strings.Builder
	b.WriteString(`# nats-server configuration for a fleet of eventsvc. Add listen, tls and cluster. Passwords are made for this file: keep it
# private, or replace each by an nkey.
#
# The streams are made by 'eventsvc forward --create' as admin, or with the nats CLI as admin (three servers: --replicas 3):
#
`)
	for _, c := range streamConfigs(1, 0) {
		b.WriteString("#   " + cliLine(&c) + "\n")
	}
	b.WriteString(`
jetstream { store_dir: "/var/lib/nats" }
accounts { FLEET { jetstream: enabled, users: [
`)
	fmt.Fprintf(&b, "  { user: admin, password: %q }\n", rand.Text())
	b.WriteString(userLine("collect", collectorRights()))
	for _, host := range hosts {
		if err := CheckHost(host); err != nil {
			return err
		}
		b.WriteString(userLine(host, hostRights(host)))
	}
	b.WriteString("] } }\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// cliLine returns the command of the nats CLI that creates a stream.
func cliLine(c *jetstream.StreamConfig) string {
	line := fmt.Sprintf("nats stream add %s --subjects '%s' --storage file --replicas %d", c.Name, strings.Join(c.Subjects, ","), c.Replicas)
	if c.MaxMsgsPerSubject > 0 {
		line += fmt.Sprintf(" --max-msgs-per-subject %d", c.MaxMsgsPerSubject)
	}
	if c.Compression == jetstream.S2Compression {
		line += " --compression s2"
	}
	if c.AllowAtomicPublish {
		line += " --allow-batch"
	}
	return line + " --allow-direct --deny-delete --defaults"
}

func userLine(user string, publish []string) string {
	return fmt.Sprintf("  { user: %q, password: %q, permissions: { publish: { allow: [\"%s\"] }, subscribe: { allow: [\"_INBOX_%s.>\"] } } }\n",
		user, rand.Text(), strings.Join(publish, `", "`), user)
}

// hostRights returns the subjects to which a forwarder publishes.
func hostRights(host string) []string {
	rights := []string{hostSubject(host), hostsPrefix + host}
	for stream, subject := range map[string]string{EventsStream: hostSubject(host), HostsStream: hostsPrefix + host} {
		name := stream + "." + host + "-cp"
		rights = append(rights, "$JS.API.CONSUMER.DELETE."+name, "$JS.API.CONSUMER.CREATE."+name+"."+subject, "$JS.API.CONSUMER.MSG.NEXT."+name)
	}
	return rights
}

// collectorRights returns the subjects of a collector and of 'eventsvc hosts'.
func collectorRights() []string {
	var rights []string
	for _, stream := range []string{EventsStream, HostsStream} {
		for _, call := range []string{"STREAM.INFO.", "STREAM.MSG.GET.", "DIRECT.GET."} {
			rights = append(rights, "$JS.API."+call+stream)
		}
		for _, call := range []string{"CREATE.", "INFO.", "DELETE.", "MSG.NEXT."} {
			rights = append(rights, "$JS.API.CONSUMER."+call+stream+".>")
		}
		rights = append(rights, "$JS.API.CONSUMER.CREATE."+stream, "$JS.API.DIRECT.GET."+stream+".>")
	}
	return rights
}
