// Package autoupdate replaces the images of containers that run in systemd units, as
// "podman auto-update" does, and verifies the result.
//
// A run has these steps: List finds the managed containers; check asks each image's
// registry once; plan groups the units that have to change together; apply pulls an
// image, restarts one unit, verifies it, then restarts the others; roll back puts the
// old image back under its tag and restarts the units that had changed. Run does all of
// them.
//
// It promises:
//
//   - A container is "updated" only if its unit's job succeeded, the unit stayed
//     in the same invocation, and the container runs the new image and is healthy
//     (if it has a health check) at the end of the settle time.
//   - After a run, all units of one image run the new image, or all the old one.
//   - A digest that failed is not tried again before its hold ends.
//   - The next run finishes what a killed run left unfinished: the state file
//     says which units were being changed, Podman says what they run.
//
// It must not know how Podman, systemd, a registry or an event store is reached: those
// are the small interfaces of this package.
package autoupdate
