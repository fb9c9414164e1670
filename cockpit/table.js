// The table of events: newest first, a page at a time, each with its details.
/* global cockpit */
import { fill, language, make } from "./draw.js";

const _ = cockpit.gettext;
const PAGE = 100;
export const KEPT = 100000;
const time = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// libpod's own words: the contract has "_" for "-", and separate members for raw words.
const typeOf = e => e.rawType || e.type;
const statusOf = e => e.rawStatus || e.status.replace(/^(auto|log|pull)_/, "$1-");

const isBad = e => (e.status === "died" && e.exitCode) || e.status === "pull_error" || e.healthStatus === "unhealthy";

const body = document.querySelector("#events tbody"), more = document.getElementById("more");
let events = [], rows = new Map(), shown = PAGE, open = null, words = [];

export function clear() {
	events = [];
	shown = PAGE;
	open = null;
}

export function add(e) {
	events.push(e);
	if (events.length > KEPT * 1.1)
		events = events.slice(-KEPT);
}

export function search(text) {
	words = text.toLowerCase().match(/\S+/g) ?? [];
	shown = PAGE;
}

function matches(e) {
	if (!words.length)
		return true;
	e.haystack ??= [typeOf(e), statusOf(e), e.name, e.id, e.image, e.podId, e.network, e.error, e.host, e.exitCode,
		...Object.entries(e.attributes ?? {}).flat()].join(" ").toLowerCase();
	return words.every(w => e.haystack.includes(w));
}

// draw returns the message to show if there is no event.
export function draw() {
	const list = [];
	for (let i = events.length - 1; i >= 0 && list.length <= shown; i--) {
		if (matches(events[i]))
			list.push(events[i]);
	}
	more.hidden = list.length <= shown;
	rows = new Map(list.slice(0, shown).map(e => [e, rows.get(e) ?? row(e)]));
	fill(body, [...rows].flatMap(([e, row]) => {
		row.querySelector("button").setAttribute("aria-expanded", e === open);
		return e === open ? [row, row.details ??= details(e)] : [row];
	}));
	return list.length ? "" : events.length ? _("No event matches the search.") : _("No events in this time.");
}

more.onclick = () => { shown += PAGE; draw() };

function row(e) {
	const toggle = () => { open = open === e ? null : e; draw() };
	return make("tr", { event: e, className: isBad(e) ? "bad" : "" },
		make("td", {}, time.format(e.timestampUSec / 1000)), make("td", {}, typeOf(e)),
		make("td", {}, statusOf(e) + (e.healthStatus ? ": " + e.healthStatus : "")),
		make("td", {}, make("button", { className: "expand", dir: "ltr", onclick: toggle }, e.name || e.id?.slice(0, 12) || _("details"))),
		make("td", {}, e.image), make("td", {}, e.exitCode));
}

function details(e) {
	const { rawType, rawStatus, timestampUSec, attributes, haystack, uid, ...fields } = e;
	const all = [...Object.entries({ ...fields, type: typeOf(e), status: statusOf(e), user: uid }), ...Object.entries(attributes ?? {})];
	const cell = make("td", { colSpan: 6 }, make("dl", {}, ...all.filter(([, value]) => value != null)
		.flatMap(([key, value]) => [make("dt", {}, key), make("dd", { dir: "ltr" }, value)])));
	if (e.type === "container" && e.name && cockpit.manifests?.podman) {
		const there = "/podman#/?container=all&name=" + encodeURIComponent(e.name);
		cell.append(make("button", { onclick: () => cockpit.jump(there, cockpit.transport.host) }, _("Show the container")));
	}
	return make("tr", { className: "details" }, cell);
}
