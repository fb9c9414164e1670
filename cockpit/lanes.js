// Turns events into lanes, one for each container, by name, as internal/timeline does for
// "eventsvc timeline". A test there compares the two.
// Memory is bounded: at most LANES lanes of CELLS parts.

const CELLS = 480, LANES = 1000, LEFT = 10000;
const COUNTS = ["starts", "restarts", "deaths", "failures", "pullErrors", "updates", "failedUpdates", "unhealthy"];
const NONE = Object.fromEntries(COUNTS.map(k => [k, 0]));

// The state of a container before an event, if that is its first, and after it; null:
// unchanged, or unknown.
const STATES = {
	create: [null, "stopped"], init: [null, "stopped"], start: ["stopped", "running"], restore: ["stopped", "running"],
	died: ["running", "stopped"], remove: ["stopped", "stopped"], checkpoint: [null, "stopped"], pause: ["running", "paused"],
	unpause: ["paused", "running"], health_status: [], pull_error: [], auto_update: [], rename: [],
};
const HEALTH = { healthy: "running", starting: "running", unhealthy: "unhealthy" };

export class Lanes {
	constructor(span) {
		this.span = span; // in ms
		this.cell = span / CELLS;
		this.lanes = new Map();
		this.left = new Map(); // for at most LEFT dropped lanes, the cells of their last events
	}

	add(e) {
		const image = e.type === "image" && e.status === "pull_error";
		const name = e.name || e.id?.slice(0, 12);
		if ((!image && (e.type !== "container" || !(e.status in STATES))) || !name)
			return;
		const key = JSON.stringify([image, e.host, e.uid, name]);
		const at = e.timestampUSec / 1000, number = Math.floor(at / this.cell);
		let lane = this.lanes.get(key);
		if (!lane) {
			lane = { key, name, image: "", host: e.host, uid: e.uid, pull: image, id: "", state: "unknown", before: "unknown", died: false, last: 0, cells: [], ...NONE, exit: null };
			this.lanes.set(key, lane);
			this.left.delete(key);
		}
		if (e.status === "rename") {
			for (const old of this.lanes.values()) {
				if (old !== lane && e.id && old.id === e.id && old.host === e.host && old.uid === e.uid)
					takeOver(lane, old, number);
			}
		}
		lane.id = e.id;
		lane.image = e.image || lane.image;
		lane.last = Math.max(lane.last, at);
		apply(lane, e, cellAt(lane, number));
		if (this.lanes.size > LANES)
			this.drop();
	}

	drop() {
		const list = [...this.lanes.values()].sort(byTrouble), most = LANES / 2;
		for (const lane of list.slice(most)) {
			if (this.left.size < LEFT)
				this.left.set(lane.key, Math.floor(lane.last / this.cell));
		}
		this.lanes = new Map(list.slice(0, most).map(l => [l.key, l]));
	}

	// sorted returns the lanes of the span that ends at a time, those with trouble first.
	sorted(end) {
		const first = Math.floor((end - this.span) / this.cell);
		for (const lane of this.lanes.values()) {
			forget(lane, first);
			if (!lane.cells.length && ["stopped", "unknown"].includes(lane.state))
				this.lanes.delete(lane.key);
		}
		this.left.forEach((number, key) => number < first && this.left.delete(key));
		return [...this.lanes.values()].sort(byTrouble);
	}

	get dropped() { return this.left.size }
}

function cellAt(lane, number) {
	const cells = lane.cells;
	let i = cells.length;
	while (i > 0 && cells[i - 1].at > number)
		i--;
	if (i > 0 && cells[i - 1].at === number)
		return cells[i - 1];
	const cell = { at: number, after: "unknown", ...NONE, codes: [] };
	cells.splice(i, 0, cell);
	return cell;
}

function forget(lane, first) {
	while (lane.cells.length && lane.cells[0].at < first) {
		const cell = lane.cells.shift();
		if (cell.after !== "unknown")
			lane.before = cell.after;
		for (const k of COUNTS)
			lane[k] -= cell[k];
	}
}

function apply(lane, e, cell) {
	const count = k => { lane[k]++; cell[k]++ };
	let [before, after] = STATES[e.status], result;
	switch (e.status) {
	case "start":
		count("starts");
		// falls through
	case "restore":
		if (lane.died)
			count("restarts");
		lane.died = false;
		break;
	case "died":
		count("deaths");
		lane.died = true;
		lane.exit = e.exitCode ?? 0;
		if (lane.exit) {
			count("failures");
			if (cell.codes.length < 5)
				cell.codes.push(lane.exit);
		}
		break;
	case "health_status":
		after = HEALTH[(e.healthStatus || "").toLowerCase()];
		before = after && "running";
		if (after === "unhealthy" && lane.state !== after)
			count("unhealthy");
		break;
	case "pull_error":
		count("pullErrors");
		break;
	case "auto_update":
		result = e.attributes?.["io.podman.autoupdate.result"];
		if (result === "updated")
			count("updates");
		else if (["failed", "rolled-back"].includes(result))
			count("failedUpdates");
	}
	become(lane, before, after || lane.state, cell);
}

function become(lane, before, after, cell) {
	if (before && lane.state === "unknown")
		lane.before = before;
	lane.state = cell.after = after;
}

// takeOver continues the lane of a container's old name, which no longer exists.
function takeOver(lane, old, number) {
	Object.assign(lane, { died: old.died, exit: old.exit });
	become(lane, "stopped", old.state, cellAt(lane, number));
	Object.assign(old, { id: "", died: false });
	become(old, "stopped", "stopped", cellAt(old, number));
}

export function failing(lane) {
	return lane.state === "unhealthy" || (lane.state === "stopped" && lane.failures > 0 && !!lane.exit);
}

// labels returns the label of each lane: its name, and its user and host if the lanes
// have several of them.
export function labels(lanes) {
	const several = of => lanes.some(l => l[of] !== lanes[0][of]);
	const users = several("uid"), hosts = several("host");
	return lanes.map(l => l.name + (users && l.uid !== undefined ? " uid=" + l.uid : "") + (hosts && l.host ? " host=" + l.host : ""));
}

const trouble = l => l.failures + l.pullErrors + l.failedUpdates + l.unhealthy;
const order = (a, b) => (a > b) - (a < b);

function byTrouble(a, b) {
	return failing(b) - failing(a) || trouble(b) - trouble(a) || b.restarts - a.restarts || b.last - a.last ||
		order(a.name, b.name) || order(a.host ?? "", b.host ?? "") || (a.uid ?? -1) - (b.uid ?? -1);
}
