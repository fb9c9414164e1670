// The table of events: newest first, a page at a time, each with its details.
/* global cockpit */

const _ = cockpit.gettext;
const PAGE = 100;
export const KEPT = 100000;

const text = (tag, content, name) => {
    const element = document.createElement(tag);
    element.textContent = content ?? "";
    if (name)
        element.className = name;
    return element;
};

// word is libpod's own word: the contract has "_" for "-" and raw words beside.
export const typeOf = e => e.rawType || e.type;
export const statusOf = e => e.rawStatus || e.status.replace("auto_update", "auto-update").replace("pull_error", "pull-error").replace("log_rotation", "log-rotation");

const isBad = e => (e.status === "died" && e.exitCode) || e.status === "pull_error" || e.healthStatus === "unhealthy";

export class Table {
    constructor(body, more, empty) {
        Object.assign(this, { body, more, empty, events: [], shown: PAGE, words: [], rows: new Map(), open: null });
        more.addEventListener("click", () => { this.shown += PAGE; this.draw() });
        body.addEventListener("click", event => {
            const button = event.target.closest("button.expand");
            if (button)
                this.toggle(button.closest("tr").event);
        });
    }

    clear() {
        this.events = [];
        this.rows.clear();
        this.shown = PAGE;
        this.open = null;
    }

    add(e) {
        this.events.push(e);
        if (this.events.length > KEPT * 1.1)
            this.events = this.events.slice(-KEPT);
    }

    search(value) {
        this.words = value.toLowerCase().split(/\s+/).filter(w => w);
        this.shown = PAGE;
    }

    matches(e) {
        if (!this.words.length)
            return true;
        e.haystack ??= [typeOf(e), statusOf(e), e.name, e.id, e.image, e.podId, e.network, e.error, e.host, e.exitCode,
            ...Object.entries(e.attributes || {}).flat()].join(" ").toLowerCase();
        return this.words.every(w => e.haystack.includes(w));
    }

    draw() {
        const list = [];
        let older = false;
        for (let i = this.events.length - 1; i >= 0; i--) {
            if (!this.matches(this.events[i]))
                continue;
            if (list.length === this.shown) {
                older = true;
                break;
            }
            list.push(this.events[i]);
        }
        const rows = new Map();
        const out = [];
        for (const e of list) {
            const row = this.rows.get(e) || this.row(e);
            rows.set(e, row);
            out.push(row);
            if (e === this.open)
                out.push(row.details ??= this.details(e));
        }
        this.rows = rows;
        // Only what changes is touched, so that focus and selection stay.
        let at = this.body.firstChild;
        for (const row of out) {
            if (row === at)
                at = at.nextSibling;
            else
                this.body.insertBefore(row, at);
        }
        while (at) {
            const next = at.nextSibling;
            at.remove();
            at = next;
        }
        this.more.hidden = !older;
        this.empty.textContent = list.length ? "" : this.events.length ? _("No event matches the search.") : _("No events in this time.");
    }

    row(e) {
        const row = document.createElement("tr");
        row.event = e;
        if (isBad(e))
            row.className = "bad";
        const name = document.createElement("td");
        const button = text("button", e.name || (e.id || "").slice(0, 12) || _("details"), "expand");
        button.type = "button";
        button.dir = "auto";
        button.setAttribute("aria-expanded", "false");
        name.append(button);
        const at = text("td", new Date(e.timestampUSec / 1000).toLocaleString(cockpit.language || undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }), "time");
        row.append(at, text("td", typeOf(e)), text("td", statusOf(e) + (e.healthStatus ? ": " + e.healthStatus : "")), name, text("td", e.image, "long"), text("td", e.exitCode, "n"));
        return row;
    }

    toggle(e) {
        const mark = (event, open) => this.rows.get(event)?.querySelector("button").setAttribute("aria-expanded", open);
        mark(this.open, "false");
        this.open = this.open === e ? null : e;
        mark(this.open, "true");
        this.draw();
    }

    details(e) {
        const row = document.createElement("tr");
        row.className = "details";
        const cell = document.createElement("td");
        cell.colSpan = 6;
        const list = document.createElement("dl");
        const fields = { ...e, type: typeOf(e), status: statusOf(e), user: e.uid };
        for (const key of ["rawType", "rawStatus", "timestampUSec", "attributes", "haystack", "uid"])
            delete fields[key];
        for (const [key, value] of [...Object.entries(fields), ...Object.entries(e.attributes || {})]) {
            if (value === undefined || value === null)
                continue;
            const dd = text("dd", value);
            dd.dir = "auto";
            list.append(text("dt", key), dd);
        }
        cell.append(list);
        if (e.type === "container" && cockpit.manifests?.podman && e.name) {
            const link = text("button", _("Show the container"), "link");
            link.type = "button";
            link.addEventListener("click", () => cockpit.jump("/podman#/?container=all&name=" + encodeURIComponent(e.name), cockpit.transport.host));
            cell.append(link);
        }
        row.append(cell);
        return row;
    }
}
