// The events, over Varlink: each once and in order, even when the connection is lost.
// It knows the interface io.podman.events, and nothing of the page.
/* global cockpit */

// The socket of root, and the one that an administrator may open to every user.
const SOCKETS = ["/run/eventsvc/io.podman.events", "/run/eventsvc/io.podman.events.readonly"];

// follow delivers what happens to "on": status(reply of GetStatus), event(e), live(resumed: nothing was missed since it was so
// before), lost(problem), gap() when the store has lost the place, refused(error, parameters) when nothing more comes. It
// returns a function that ends it.
export function follow({ filters, since, allUsers }, on) {
	let cursor, lost = false, live = false, resumed = false, over = false, tries = 0, socket = 0, hangUp, timer, watchdog;

	function connect() {
		const channel = cockpit.channel({ payload: "stream", unix: SOCKETS[socket], binary: true, superuser: "try" });
		const decoder = new TextDecoder(), ended = (_event, options) => closed(options.problem || "");
		let rest = "";
		channel.addEventListener("message", (_event, data) => {
			watch();
			const parts = (rest + decoder.decode(data, { stream: true })).split("\0");
			rest = parts.pop();
			parts.forEach(part => reply(JSON.parse(part)));
		});
		channel.addEventListener("close", ended); // by the other side
		hangUp = () => { channel.removeEventListener("close", ended); channel.close() };
		const call = message => channel.send(new TextEncoder().encode(JSON.stringify(message) + "\0"));
		call({ method: "io.podman.events.GetStatus" });
		call({ method: "io.podman.events.Subscribe", more: true, parameters: { filters, allUsers, heartbeatSec: 20, ...(cursor ? { after: cursor } : { since }) } });
		watch();
	}

	// A service that sends nothing for long has gone, even if its socket has not closed.
	function watch() {
		clearTimeout(watchdog);
		watchdog = setTimeout(closed, 60000, "timeout");
	}

	function reply({ error, parameters: p = {}, continues }) {
		if (over)
			return;
		if (error)
			return failed(error, p);
		if (!p.cursor)
			return on.status(p);
		if (p.ready) {
			tries = 0;
			resumed = resumed || (lost && live);
			lost = false;
		}
		if (p.event)
			on.event(p.event);
		cursor = p.cursor;
		if (p.live) {
			live = true;
			on.live(resumed);
		}
		if (!continues)
			closed("");
	}

	function failed(error, p) {
		if (error.endsWith(".CursorExpired")) {
			cursor = undefined;
			live = resumed = false;
			hangUp();
			on.gap();
			connect();
		} else if (/\.(ShuttingDown|BackendUnavailable)$/.test(error)) {
			closed(p.reason || error);
		} else {
			stop();
			on.refused(error, p);
		}
	}

	function closed(problem) {
		if (over)
			return;
		clearTimeout(watchdog);
		hangUp();
		if (socket === 0 && problem === "access-denied") {
			socket = 1;
			return connect();
		}
		// The other socket does not exist: report that this user may not use the first.
		if (socket === 1 && problem === "not-found")
			problem = "access-denied";
		socket = 0;
		lost = true;
		on.lost(problem);
		timer = setTimeout(connect, Math.min(500 * 2 ** tries++, 5000));
	}

	function stop() {
		over = true;
		clearTimeout(timer);
		clearTimeout(watchdog);
		hangUp();
	}

	connect();
	return stop;
}
