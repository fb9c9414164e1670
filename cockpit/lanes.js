// What events mean: a lane for each container, by name. The same meaning as in
// internal/timeline, which "eventsvc timeline" prints.
// Memory is bounded: at most LANES lanes of CELLS parts.

export const CELLS = 480;
const LANES = 500;
const RESULT = "io.podman.autoupdate.result";

export class Lanes {
    constructor(span) {
        this.span = span; // in ms
        this.cell = span / CELLS;
        this.lanes = new Map();
        this.dropped = 0;
    }

    add(e) {
        const image = e.type === "image" && e.status === "pull_error";
        const name = e.name || (e.id || "").slice(0, 12);
        if ((e.type !== "container" && !image) || !name)
            return;
        const key = JSON.stringify([image, e.host, e.uid, name]);
        let lane = this.lanes.get(key);
        if (!lane) {
            lane = {
                name, image: "", host: e.host, uid: e.uid, pull: image, state: "unknown", before: "unknown", died: false, last: 0, cells: [],
                starts: 0, restarts: 0, deaths: 0, failures: 0, pullErrors: 0, updates: 0, failedUpdates: 0, unhealthy: 0, exit: null,
            };
            this.lanes.set(key, lane);
            if (this.lanes.size > LANES)
                this.drop();
        }
        lane.image = e.image || lane.image;
        const at = e.timestampUSec / 1000;
        lane.last = Math.max(lane.last, at);
        apply(lane, e, cellAt(lane, Math.floor(at / this.cell)));
    }

    drop() {
        const keep = [...this.lanes].sort((a, b) => byTrouble(a[1], b[1])).slice(0, LANES * 0.9);
        this.dropped += this.lanes.size - keep.length;
        this.lanes = new Map(keep);
    }

    // sorted returns the lanes of the span that ends at a time, those with trouble first.
    sorted(end) {
        const first = Math.floor((end - this.span) / this.cell);
        for (const lane of this.lanes.values())
            forget(lane, first);
        return [...this.lanes.values()].filter(l => l.cells.length || l.state === "running" || l.state === "unhealthy" || l.state === "paused").sort(byTrouble);
    }
}

function cellAt(lane, number) {
    const cells = lane.cells;
    let i = cells.length;
    while (i > 0 && cells[i - 1].at > number)
        i--;
    if (i > 0 && cells[i - 1].at === number)
        return cells[i - 1];
    const cell = { at: number, after: "unknown", starts: 0, deaths: 0, failures: 0, restarts: 0, pullErrors: 0, updates: 0, failedUpdates: 0, unhealthy: 0, codes: [] };
    cells.splice(i, 0, cell);
    return cell;
}

const COUNTS = ["starts", "restarts", "deaths", "failures", "pullErrors", "updates", "failedUpdates", "unhealthy"];

function forget(lane, first) {
    let n = 0;
    for (; n < lane.cells.length && lane.cells[n].at < first; n++) {
        const cell = lane.cells[n];
        if (cell.after !== "unknown")
            lane.before = cell.after;
        for (const k of COUNTS)
            lane[k] -= cell[k];
    }
    lane.cells.splice(0, n);
}

function apply(lane, e, cell) {
    let state = lane.state;
    const count = k => { lane[k]++; cell[k]++ };
    const assume = s => { if (lane.state === "unknown") lane.before = s };
    switch (e.status) {
    case "start":
    case "restore":
        if (e.status === "start")
            count("starts");
        if (lane.died)
            count("restarts");
        lane.died = false;
        assume("stopped");
        state = "running";
        break;
    case "died":
        count("deaths");
        lane.died = true;
        lane.exit = e.exitCode ?? 0;
        if (lane.exit !== 0) {
            count("failures");
            if (cell.codes.length < 5)
                cell.codes.push(lane.exit);
        }
        assume("running");
        state = "stopped";
        break;
    case "remove":
        assume("stopped");
        state = "stopped";
        break;
    case "create":
    case "init":
    case "checkpoint":
        state = "stopped";
        break;
    case "pause":
        assume("running");
        state = "paused";
        break;
    case "unpause":
        assume("paused");
        state = "running";
        break;
    case "health_status":
        if (e.healthStatus === "unhealthy") {
            if (state !== "unhealthy")
                count("unhealthy");
            assume("running");
            state = "unhealthy";
        } else if (e.healthStatus === "healthy" || e.healthStatus === "starting") {
            assume("running");
            state = "running";
        }
        break;
    case "pull_error":
        count("pullErrors");
        break;
    case "auto_update":
        if (e.attributes?.[RESULT] === "updated")
            count("updates");
        else if (["failed", "rolled-back"].includes(e.attributes?.[RESULT]))
            count("failedUpdates");
        break;
    }
    lane.state = cell.after = state;
}

export function failing(lane) {
    return lane.state === "unhealthy" || (lane.state === "stopped" && lane.failures > 0 && lane.exit !== 0);
}

const trouble = l => l.failures + l.pullErrors + l.failedUpdates + l.unhealthy;

function byTrouble(a, b) {
    return failing(b) - failing(a) || trouble(b) - trouble(a) || b.restarts - a.restarts || b.last - a.last || (a.name < b.name ? -1 : 1);
}
