// Draws lanes and axis as SVG. All text goes in as text, never as HTML.

const NS = "http://www.w3.org/2000/svg";

function svg(name, attributes, text) {
    const element = document.createElementNS(NS, name);
    for (const key in attributes)
        element.setAttribute(key, attributes[key]);
    if (text !== undefined)
        element.textContent = text;
    return element;
}

// bar returns the picture of a lane between two times, as wide as given.
export function bar(lane, cell, from, to, width, title) {
    const picture = svg("svg", { width, height: 22, viewBox: `0 0 ${width} 22`, "aria-hidden": "true" });
    const x = at => Math.max(0, Math.min(width, (at - from) / (to - from) * width));
    let state = lane.before, since = from;
    const close = until => {
        if (["running", "paused", "unhealthy"].includes(state) && until > since)
            picture.append(svg("rect", { class: state, x: x(since), y: 5, width: Math.max(1.5, x(until) - x(since)), height: 12, rx: 2 }));
    };
    const marks = [];
    for (const c of lane.cells) {
        const at = Math.max(from, c.at * cell);
        if (c.after !== state && c.after !== "unknown") {
            close(at);
            state = c.after;
            since = at;
        }
        if (c.failures || c.pullErrors || c.failedUpdates)
            marks.push([at, "failure", title(c, at)]);
        else if (c.updates)
            marks.push([at, "update", title(c, at)]);
        else if (c.deaths)
            marks.push([at, "ended", title(c, at)]);
    }
    close(to);
    for (const [at, kind, text] of marks) {
        // A shape of its own, so that colour is not all that says it.
        const cx = Math.min(width - 6, Math.max(6, x(at) + 2));
        const mark = kind === "failure"
            ? svg("path", { class: "failure", d: `M${cx - 4} 7l8 8m0-8l-8 8` })
            : kind === "update" ? svg("path", { class: "update", d: `M${cx} 5l6 11h-12z` }) : svg("circle", { class: "ended", cx, cy: 11, r: 3.5 });
        mark.append(svg("title", {}, text));
        picture.append(mark);
    }
    return picture;
}

const STEPS = [300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800].map(s => s * 1000);

export function axis(from, to, width, language) {
    const picture = svg("svg", { width, height: 18, viewBox: `0 0 ${width} 18`, "aria-hidden": "true" });
    const least = (to - from) / width * 70, step = STEPS.find(s => s >= least) || STEPS.at(-1);
    const format = step >= 86400000 ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    // Steps are those of a clock on the wall, also where it is put forward or back.
    const day = new Date(from);
    for (let n = 0, at = 0; at <= to; n++) {
        at = new Date(day.getFullYear(), day.getMonth(), day.getDate(), 0, 0, n * step / 1000).getTime();
        if (at < from || at > to)
            continue;
        const x = (at - from) / (to - from) * width;
        picture.append(svg("line", { x1: x, x2: x, y1: 13, y2: 18 }));
        if (x < width - 36)
            picture.append(svg("text", { x: x < 18 ? 0 : x, y: 11, "text-anchor": x < 18 ? "start" : "middle" }, new Date(at).toLocaleString(language, format)));
    }
    return picture;
}
