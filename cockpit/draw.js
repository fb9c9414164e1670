// Makes the elements of the page. All text is set as text, never as HTML.
/* global cockpit */

export const language = cockpit.language.replace("_", "-");

// visible returns text with escapes for characters that change its direction or are invisible, as on a terminal.
export const visible = text => String(text ?? "").replace(/(?![\n\t])[\p{Cc}\p{Cf}]/gu, c => "\\u" + c.codePointAt().toString(16).padStart(4, "0"));

export function make(tag, properties, ...content) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...content.map(c => c?.nodeType ? c : visible(c)));
	return element;
}

// fill sets the rows of a table's body. It changes neither rows that stay nor the focus.
export function fill(body, rows) {
	const focused = document.activeElement;
	rows.forEach((row, i) => body.children[i] === row || body.insertBefore(row, body.children[i]));
	while (body.children.length > rows.length)
		body.lastChild.remove();
	if (document.activeElement !== focused)
		focused.focus({ preventScroll: true });
}

// scale returns a function that makes a part of a bar between two times: a lasting state, or a mark.
function scale(from, to) {
	const place = at => Math.max(0, Math.min(100, (at - from) / (to - from) * 100));
	return (className, at, until, properties) => {
		const piece = make("i", { className, ...properties });
		piece.style.left = place(at) + "%";
		if (until)
			piece.style.width = place(until) - place(at) + "%";
		return piece;
	};
}

// bar draws a lane between two times; mark returns the kind of mark of a cell, and what happened.
export function bar(lane, cell, from, to, mark, clock) {
	const piece = scale(from, to), states = [], marks = [], last = {};
	let state = lane.before, since = from;
	const close = until => state !== "unknown" && until > since && states.push(piece(state, since, until));
	for (const c of lane.cells) {
		const at = Math.max(from, c.at * cell);
		if (c.after !== state && c.after !== "unknown") {
			close(at);
			state = c.after;
			since = at;
		}
		const [kind, words] = mark(c);
		if (kind && !(at - last[kind] < (to - from) / 200)) { // marks at the same place are drawn once
			last[kind] = at;
			marks.push(piece(kind, at, 0, { title: clock.format(at) + " " + words }));
		}
	}
	close(to);
	const element = make("div", { className: "bar" }, ...states, ...marks);
	element.setAttribute("aria-hidden", true); // the other cells of the row have the same content
	return element;
}

const STEPS = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880].map(minutes => minutes * 60000);

// axis draws the times above bars of a width in pixels.
export function axis(from, to, width) {
	const least = (to - from) / width * 70, step = STEPS.find(s => s >= least) ?? STEPS.at(-1);
	const format = new Intl.DateTimeFormat(language, step >= 86400000 ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
	const piece = scale(from, to), ticks = [], day = new Date(from);
	// Steps are in local time, also when the clocks change.
	for (let n = 0, at = 0; at <= to; n++) {
		at = +new Date(day.getFullYear(), day.getMonth(), day.getDate(), 0, 0, n * step / 1000);
		if (at >= from && at <= to)
			ticks.push(piece("tick", at, 0, { textContent: (to - at) / (to - from) * width < 44 ? "" : format.format(at) }));
	}
	return ticks;
}
