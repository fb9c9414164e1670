// Package autoupdate replaces the images of containers that run in systemd
// units, as "podman auto-update" does, and verifies what it did.
//
// A run has steps: List finds the managed containers; check asks each image's
// registry once; plan joins the units that have to change together; apply pulls
// an image, restarts one unit, verifies it, then restarts the others; roll back
// puts the old image back under its tag and restarts what had moved. Run does
// all of them.
//
// It promises:
//
//   - A container is "updated" only if its unit's job succeeded, the unit stayed
//     in the same invocation, and the container runs the new image and is healthy
//     (where it has a health check) when the settle time is over.
//   - Units of one image all run the new image after a run, or all the old one.
//   - A digest that failed is not tried again before its hold ends.
//   - What a killed run left unfinished is finished by the next one: the state
//     file says which units were being changed, Podman says what they run.
//
// It must not know how Podman, systemd, a registry and an event store are
// reached: those are the small interfaces of this package.
package autoupdate
