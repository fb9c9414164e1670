//go:build systemd && cgo

package journald

import (
	"bytes"
	"strconv"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/sdjournal"

	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
)

// decoder turns entries into events. Its results refer to the entry.
type decoder struct {
	values  line.Values
	uid     []byte
	host    []byte
	hosts   map[string]string // one string for each host, not one for each event
	isEvent bool
}

// read finds the values of an event in the fields of an entry. If a field is repeated,
// the first counts.
func (d *decoder) read(fields []byte) {
	d.values, d.uid, d.host, d.isEvent = line.Values{}, nil, nil, false
	for len(fields) > 0 {
		var name, value []byte
		name, value, fields = sdjournal.CutField(fields)
		if to := d.target(name); to != nil && *to == nil {
			*to = value
		}
	}
	d.isEvent = d.values.Type != nil || d.values.Status != nil || d.values.Time != nil
}

// target returns where to store the value of a field, nil to ignore it.
func (d *decoder) target(name []byte) *[]byte {
	v := &d.values
	switch string(name) {
	case "PODMAN_EVENT":
		return &v.Status
	case "PODMAN_TYPE":
		return &v.Type
	case "PODMAN_TIME":
		return &v.Time
	case "PODMAN_NAME":
		return &v.Name
	case "PODMAN_ID":
		return &v.ID
	case "PODMAN_IMAGE":
		return &v.Image
	case "PODMAN_EXIT_CODE":
		return &v.ExitCode
	case "PODMAN_POD_ID":
		return &v.PodID
	case "PODMAN_LABELS":
		return &v.Labels
	case "PODMAN_HEALTH_STATUS":
		return &v.HealthStatus
	case "PODMAN_HEALTH_LOG":
		return &v.HealthLog
	case "PODMAN_HEALTH_FAILING_STREAK":
		return &v.HealthStreak
	case "PODMAN_CONTAINER_INSPECT_DATA":
		return &v.Inspect
	case "PODMAN_NETWORK_NAME":
		return &v.Network
	case "ERROR":
		return &v.ErrorText
	case "_UID":
		return &d.uid
	case "_HOSTNAME":
		return &d.host
	}
	return nil
}

// record appends the line of what was read to the buffer and makes the record. The
// error says why the entry is not an event although it has the fields of one. Invalid
// labels, or too many, are left out of the event: lacking says why.
func (d *decoder) record(buffer []byte, named bool, rec *store.Record) (all []byte, lacking, err error) {
	start := len(buffer)
	buffer, err = line.Build(buffer, &d.values, &rec.Fields)
	if err != nil && len(d.values.Labels) > 0 {
		d.values.Labels = nil
		if lacking = err; !errors.Is(err, line.ErrLabels) {
			lacking = errors.WithMessage(err, "the labels are left out")
		}
		buffer, err = line.Build(buffer, &d.values, &rec.Fields)
	}
	if err != nil {
		return buffer, nil, err
	}
	rec.Line = buffer[start:len(buffer):len(buffer)]
	rec.UID, rec.Host = d.user(), ""
	if named {
		rec.Host = d.hostname()
	}
	return buffer, lacking, nil
}

// user returns the user that sent the entry, as the kernel reported to journald;
// negative: unknown.
func (d *decoder) user() int64 {
	uid, err := strconv.ParseUint(string(d.uid), 10, 32)
	if err != nil {
		return -1
	}
	return int64(uid)
}

// maxHosts bounds the host names that are kept.
const maxHosts = 4096

func (d *decoder) hostname() string {
	if name, ok := d.hosts[string(d.host)]; ok {
		return name
	}
	if d.hosts == nil || len(d.hosts) >= maxHosts {
		d.hosts = make(map[string]string)
	}
	name := string(bytes.ToValidUTF8(bytes.ReplaceAll(d.host, []byte{0}, nil), nil))
	d.hosts[string(d.host)] = name
	return name
}

// The fields for events, and for the index.
var (
	eventFields = sdjournal.NewFields("PODMAN_", "ERROR=", "_UID=", "_HOSTNAME=")
	indexFields = sdjournal.NewFields("PODMAN_TIME=", "PODMAN_ID=", "PODMAN_NAME=", "PODMAN_NETWORK_NAME=", "PODMAN_IMAGE=", "_UID=")
)
