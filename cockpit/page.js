// The page: what the user selects, and what is shown.
/* global cockpit */
import { follow } from "./source.js";
import { Lanes, failing, labels } from "./lanes.js";
import { axis, bar, fill, language, make, visible } from "./draw.js";
import * as table from "./table.js";

const _ = cockpit.gettext, format = cockpit.format;
const dark = matchMedia("(prefers-color-scheme: dark)");
const $ = id => document.getElementById(id);
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
let lanes, stop = () => {}, live = false, scheduled, rested = 0, most = 12, taken = 0;
let paused = 0, held = []; // when the page was paused, and the events since then

// Cockpit's own choice of style takes precedence over the browser's.
function theme() {
	const style = localStorage.getItem("shell:style");
	document.documentElement.classList.toggle("dark", style === "dark" || (style !== "light" && dark.matches));
}

function say(id, words) {
	$(id).textContent = words ?? "";
}

function state(kind, words) {
	$("state").className = kind;
	say("state", words);
}

// help says what to do when there is nothing to show.
function help(...words) {
	$("help").hidden = !words.length;
	["h2", "p", "pre"].forEach((tag, i) => { $("help").querySelector(tag).textContent = words[i] ?? "" });
}

function lost(problem) {
	state("lost", _("Connection lost, trying again…"));
	if (problem.includes(" ")) { // a message of the service, not an error code of Cockpit
		say("fault", problem);
	} else if (["access-denied", "not-authorized"].includes(problem)) {
		state("lost", _("No access"));
		help(_("You may not read the container events"), _("The socket of the service is for root. Turn on administrative access at the top of this page. Or let the administrator enable the socket that other users may read from, which shows each user its own containers:"), "systemctl enable --now eventsvc-readonly.socket");
	} else if (["not-found", "not-supported"].includes(problem)) {
		state("lost", _("Not running"));
		help(_("The service is not running"), _("This page shows what the service eventsvc reads. To start it now and at each boot:"), "systemctl enable --now eventsvc.socket");
	}
}

function refused(error, { filter, reason }) {
	if (error.endsWith(".InvalidFilter")) {
		say("filter-error", [filter, reason].filter(p => p).join(": "));
		$("filter").setAttribute("aria-invalid", "true");
		state("lost", _("The filter is not understood"));
	} else if (error.endsWith(".PermissionDenied")) {
		state("lost", _("Permission denied"));
		help(_("You may not read the container events"), _("You may read the events of your own containers. The administrator can allow you more, in /etc/eventsvc/eventsvc.toml:"), `allow-read = ["${cockpit.info?.user || "USER"}"]`);
	} else {
		state("lost", error);
		help(_("The service refused"), reason || error);
	}
}

function clear() {
	table.clear();
	lanes = new Lanes(parseInt($("span").value) * 3600e3);
}

function begin() {
	stop();
	live = false;
	paused = taken = 0;
	held = [];
	label();
	clear();
	say("notice");
	say("filter-error");
	$("filter").removeAttribute("aria-invalid");
	state("busy", _("Connecting…"));
	rested = performance.now() + 250; // most pages are live by then, and so do not show zeros first
	stop = follow({ filters: $("filter").value.match(/\S+/g) ?? [], since: $("span").value, allUsers: $("all").checked }, {
		status(s) {
			help();
			$("everyone").hidden = !s.path; // the path is sent only to users who may read everything
			say("fault", s.fault);
		},
		event(e) {
			if (!paused)
				return take(e);
			if (held.length <= table.KEPT)
				held.push(e);
			label();
		},
		live(resumed) {
			live = true;
			state("live", resumed ? _("Live again, nothing was missed") : _("Live"));
			clearTimeout(scheduled);
			scheduled = undefined;
			rested = 0;
			schedule();
		},
		gap() {
			clear();
			say("notice", _("The store no longer holds the place where this page was: some events may be missing."));
		},
		lost,
		refused,
	});
	schedule();
}

function take(e) {
	lanes.add(e);
	table.add(e);
	if (++taken % 100000 === 0 && !live)
		state("busy", format(_("Reading the past, $0 events so far…"), taken.toLocaleString(language)));
	schedule();
}

function label() {
	$("pause").setAttribute("aria-pressed", !!paused);
	say("pause", !paused ? _("Pause") : held.length ? format(_("Continue ($0 new)"), held.length) : _("Continue"));
}

function pause() {
	paused = paused ? 0 : Date.now();
	const events = held;
	held = [];
	label();
	if (events.length > table.KEPT) // more than the page holds: read everything again
		return begin();
	events.forEach(take);
	schedule();
}

// Drawing, including the browser's part of it, takes at most a fifth of the time, and less while history is read, so
// as not to delay that.
function schedule() {
	scheduled ??= setTimeout(requestAnimationFrame, Math.max(30, rested - performance.now()), () => {
		scheduled = undefined;
		const began = performance.now();
		draw();
		setTimeout(() => {
			const now = performance.now(), cost = now - began;
			rested = now + (live ? 4 * cost : Math.max(1000, 9 * cost));
		});
	});
}

// mark returns how a part of a lane is marked, and why.
function mark(cell) {
	const { pullErrors, failures, codes, failedUpdates, updates, deaths } = cell;
	return pullErrors ? ["failure", _("the image could not be pulled")]
		: failures ? ["failure", format(_("exit code $0"), codes.join(", ")) + (failures > codes.length ? ", …" : "")]
		: failedUpdates ? ["failure", _("update failed")]
		: updates ? ["update", _("updated")]
		: deaths ? ["ended", _("ended with 0")] : [];
}

function draw() {
	const to = paused || Date.now(), from = to - lanes.span, all = lanes.sorted(to), shown = all.slice(0, most), names = labels(shown);
	$("axis").replaceChildren(...axis(from, to, $("axis").clientWidth));
	fill($("lanes").tBodies[0], shown.map((lane, i) => {
		const failures = lane.failures + lane.pullErrors;
		const row = lane.row ??= make("tr", {}, make("th", { scope: "row" }, make("button", {
			className: "name", dir: "ltr", onclick() { $("search").value = lane.name; search() },
		})));
		row.className = failing(lane) ? "bad" : "";
		const name = row.querySelector("button");
		name.textContent = name.title = visible(names[i]);
		while (row.children[1])
			row.lastChild.remove();
		row.append(make("td", {}, make("span", { className: "hidden" }, lane.pull ? _("pull error") : _(lane.state)), bar(lane, lanes.cell, from, to, mark, clock)),
			...[lane.starts, lane.restarts, failures, lane.exit ?? "–"].map(n => make("td", {}, n)));
		row.children[4].className = failures ? "bad" : "";
		return row;
	}));
	const rest = all.length - shown.length;
	$("more-lanes").hidden = !rest;
	say("more-lanes", format(_("Show $0 more, with less trouble"), rest));
	say("no-lanes", live && !all.length ? _("No container started, ended or changed in this time.") : "");
	const sum = count => all.reduce((n, l) => n + count(l), 0), count = cockpit.ngettext;
	const summary = [
		[sum(l => !l.pull) + lanes.dropped, n => count("container", "containers", n)],
		[sum(failing), () => _("in trouble"), "bad"],
		[sum(l => l.failures), n => count("failure", "failures", n), "bad"],
		[sum(l => l.restarts), n => count("restart", "restarts", n)],
		[sum(l => l.pullErrors), n => count("pull error", "pull errors", n), "bad"],
	];
	$("summary").replaceChildren(...summary.map(([n, words, bad]) => make("li", { className: n && bad || "" }, make("b", {}, n.toLocaleString(language)), " ", words(n))));
	const nothing = table.draw();
	say("empty", live ? nothing : "");
}

function search() {
	table.search($("search").value);
	schedule();
}

theme();
dark.onchange = theme;
for (const change of ["storage", "cockpit-style"])
	window.addEventListener(change, theme);
for (const id of ["span", "all", "filter"])
	$(id).onchange = begin;
$("retry").onclick = begin;
$("search").oninput = search;
$("pause").onclick = pause;
$("more-lanes").onclick = () => { most = Infinity; schedule() };
setInterval(schedule, 10000);
cockpit.translate();
Object.assign(document.documentElement, { lang: language, dir: cockpit.language_direction });
// When administrative access is turned on or off, connect again.
cockpit.permission({ admin: true }).addEventListener("changed", begin);
begin();
