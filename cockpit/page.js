// The page: what the viewer asks for, and what is shown of it.
/* global cockpit */
import { follow } from "./source.js";
import { Lanes, failing, labels } from "./lanes.js";
import { axis, bar } from "./draw.js";
import { Table } from "./table.js";

const _ = cockpit.gettext;
const $ = id => document.getElementById(id);
const SPANS = { "1h": 3600e3, "24h": 24 * 3600e3, "168h": 168 * 3600e3 };
const SHOWN_LANES = 12;
const table = new Table($("events").tBodies[0], $("more"), $("empty"));
let lanes = new Lanes(SPANS["1h"]), stop = () => {}, live = false, resumed = false, paused = false, waiting = 0, scheduled = false, allLanes = false;

// Cockpit's own choice of style goes before that of the browser.
function theme() {
    const style = localStorage.getItem("shell:style") || "auto";
    const dark = style === "dark" || (style === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
}
theme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
window.addEventListener("storage", theme);
window.addEventListener("cockpit-style", theme);

function state(kind, words) {
    $("state").className = kind;
    $("state").textContent = words;
}

function notice(words) {
    $("notice").hidden = !words;
    $("notice").textContent = words || "";
}

// fault shows what is wrong with the store until it is over, and leaves other notices.
let faulty = false;
function fault(words) {
    if (words || faulty)
        notice(words);
    faulty = !!words;
}

// help says what to do when there is nothing to show.
function help(title, words, command) {
    $("help").hidden = !title;
    document.body.classList.toggle("serving", !title); // then there is something to show
    $("help-title").textContent = title || "";
    $("help-text").textContent = words || "";
    $("help-command").hidden = !command;
    $("help-command").textContent = command || "";
}

function explain(problem) {
    if (problem === "access-denied" || problem === "not-authorized") {
        state("lost", _("No access"));
        help(_("You may not read the container events"), _("The socket of the service is for root. Turn on administrative access at the top of this page. Or let the administrator enable the socket that other users may read from, which shows each user its own containers:"), "systemctl enable --now eventsvc-readonly.socket");
    } else if (problem.includes(" ")) { // what the service says, not a word of Cockpit's
        fault(problem);
    } else if (problem === "not-found" || problem === "not-supported") {
        state("lost", _("Not running"));
        help(_("The service is not running"), _("This page shows what the service eventsvc reads. To start it now and at each boot:"), "systemctl enable --now eventsvc.socket");
    }
}

function schedule() {
    if (!scheduled) {
        scheduled = true;
        // While history comes in, seldom: drawing must not hold it up.
        setTimeout(() => requestAnimationFrame(() => { scheduled = false; draw() }), live ? 30 : 250);
    }
}

function begin() {
    stop();
    live = resumed = false;
    waiting = 0;
    table.clear();
    const span = document.querySelector("input[name=span]:checked").value;
    lanes = new Lanes(SPANS[span]);
    const filters = $("filter").value.trim().split(/\s+/).filter(f => f);
    $("filter-error").textContent = "";
    $("filter").removeAttribute("aria-invalid");
    notice();
    state("busy", _("Connecting…"));
    stop = follow({ filters, since: span, allUsers: $("all").checked }, {
        status(s) {
            help();
            $("everyone").hidden = !s.path; // which only those get who may read all
            fault(s.fault);
        },
        event(e) {
            lanes.add(e);
            table.add(e);
            if (paused)
                pausing(waiting + 1);
            else
                schedule();
        },
        live() { live = true; state("live", resumed ? _("Live again, nothing was missed") : _("Live")); schedule() },
        lost(problem) { state("lost", _("Connection lost, trying again…")); explain(problem); schedule() },
        back() { resumed = live },
        gap() { resumed = false; table.clear(); lanes = new Lanes(SPANS[span]); notice(_("The store no longer holds the place where this page was: some events may be missing.")) },
        refused(error, parameters) {
            const word = error.slice(error.lastIndexOf(".") + 1);
            if (word === "InvalidFilter") {
                $("filter-error").textContent = [parameters.filter, parameters.reason].filter(p => p).join(": ");
                $("filter").setAttribute("aria-invalid", "true");
                state("lost", _("The filter is not understood"));
            } else if (word === "PermissionDenied") {
                state("lost", _("Permission denied"));
                help(_("You may not read the container events"), _("You may read the events of your own containers. The administrator can allow you more, in /etc/eventsvc/eventsvc.toml:"), "allow-read = [\"" + (cockpit.info?.user || "USER") + "\"]");
            } else {
                state("lost", error);
                help(_("The service refused"), parameters.reason || error);
            }
            schedule();
        },
    });
    schedule();
}

function pausing(n) {
    waiting = n;
    $("pause").textContent = !paused ? _("Pause") : n ? cockpit.format(_("Continue ($0 new)"), n) : _("Continue");
}

const cell = (tag, content, name) => {
    const element = document.createElement(tag);
    element.textContent = content;
    if (name)
        element.className = name;
    return element;
};

function draw() {
    if (paused)
        return;
    table.draw();
    const to = Date.now(), from = to - lanes.span, sorted = lanes.sorted(to);
    const width = Math.max(80, $("axis").clientWidth - 16);
    $("axis").replaceChildren(cell("span", _("Time"), "hidden"), axis(from, to, width, cockpit.language || undefined));
    const clock = at => new Date(at).toLocaleTimeString(cockpit.language || undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const title = (c, at) => {
        if (c.pullErrors)
            return clock(at) + " " + _("the image could not be pulled");
        if (c.failures)
            return clock(at) + " " + cockpit.format(_("exit code $0"), c.codes.join(", ")) + (c.failures > c.codes.length ? ", …" : "");
        return clock(at) + " " + (c.updates ? _("updated") : c.failedUpdates ? _("update failed") : _("ended with 0"));
    };
    const shown = allLanes ? sorted : sorted.slice(0, SHOWN_LANES), names = labels(shown);
    const focused = document.activeElement?.dataset?.lane;
    $("lanes").tBodies[0].replaceChildren(...shown.map((lane, i) => {
        const row = document.createElement("tr");
        if (failing(lane))
            row.className = "bad";
        const name = document.createElement("th");
        name.scope = "row";
        const button = cell("button", names[i], "name");
        button.type = "button";
        button.dir = "auto";
        button.dataset.lane = lane.key;
        button.title = names[i];
        button.addEventListener("click", () => { $("search").value = lane.name; table.search(lane.name); schedule() });
        name.append(button);
        const picture = document.createElement("td");
        picture.className = "bar";
        picture.append(cell("span", lane.pull ? _("pull error") : _(lane.state), "hidden"), bar(lane, lanes.cell, from, to, width, title));
        row.append(name, picture, cell("td", lane.starts, "n"), cell("td", lane.restarts, "n"), cell("td", lane.failures + lane.pullErrors, lane.failures + lane.pullErrors ? "n f bad" : "n f"), cell("td", lane.exit ?? "–", "n"));
        return row;
    }));
    if (focused !== undefined)
        [...document.querySelectorAll("button.name")].find(b => b.dataset.lane === focused)?.focus();
    const rest = sorted.length - shown.length;
    $("more-lanes").replaceChildren();
    if (!sorted.length)
        $("more-lanes").textContent = live ? _("No container started, ended or changed in this time.") : "";
    else if (rest > 0) {
        const button = cell("button", cockpit.format(_("Show $0 more, with less trouble"), rest), "link");
        button.type = "button";
        button.addEventListener("click", () => { allLanes = true; schedule() });
        $("more-lanes").append(button);
    }
    const sum = of => sorted.reduce((n, l) => n + of(l), 0);
    $("summary").replaceChildren(...[
        [sorted.filter(l => !l.pull).length + lanes.dropped, _("containers")], [sorted.filter(failing).length, _("in trouble"), true],
        [sum(l => l.failures), _("failures"), true], [sum(l => l.restarts), _("restarts")], [sum(l => l.pullErrors), _("pull errors"), true],
    ].map(([n, words, bad]) => {
        const item = cell("li", "", bad && n ? "bad" : "");
        item.append(cell("b", n.toLocaleString(cockpit.language || undefined)), " ", words);
        return item;
    }));
}

$("span").addEventListener("change", begin);
$("all").addEventListener("change", begin);
$("filter").addEventListener("change", begin);
$("retry").addEventListener("click", begin);
$("choose").addEventListener("submit", event => event.preventDefault());
$("search").addEventListener("input", event => { table.search(event.target.value); schedule() });
$("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", paused);
    pausing(0);
    schedule();
});
window.addEventListener("resize", schedule);
setInterval(schedule, 10000);
cockpit.translate();
// Administrative access turned on or off makes another connection of it.
cockpit.permission({ admin: true }).addEventListener("changed", begin);
begin();
