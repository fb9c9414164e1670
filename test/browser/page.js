// Drives the Cockpit page in Chromium, and prints what it sees: a line for each check, "ok" or "not ok".
// browser_test.go starts the service, Podman and cockpit-ws, and passes their addresses in the environment.
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const puppeteer = require("puppeteer-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const { PAGE, STRANGER, PODMAN, PODMAN_DIR, DAEMON_PID, LOG, PICTURES, BIG, MANY, READONLY } = process.env;
const patience = 30000;
let failures = 0;

function check(name, holds, more = "") {
    if (!holds)
        failures++;
    console.log(`${holds ? "ok" : "not ok"} ${name}${more === "" ? "" : ": " + more}`);
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const podman = (...args) => new Promise((resolve, reject) =>
    execFile(PODMAN, [PODMAN_DIR, ...args], (error, _out, stderr) => error && !args.includes("run") && !args.includes("start") ? reject(new Error(stderr)) : resolve()));
const shell = script => new Promise((resolve, reject) => execFile("bash", ["-c", script], (error, out, stderr) => error ? reject(new Error(stderr)) : resolve(out)));

async function opened(browser, url, { dark = false, width = 1280, height = 1000, cookie } = {}) {
    const page = await browser.newPage();
    page.troubles = [];
    page.received = 0; // of the page's own files
    const wire = await page.createCDPSession(), own = new Set();
    wire.on("Network.responseReceived", r => /\/eventsvc\/(?!po\.)[^/]+$/.test(r.response.url) && own.add(r.requestId));
    wire.on("Network.dataReceived", r => { page.received += own.has(r.requestId) ? r.encodedDataLength : 0 });
    await wire.send("Network.enable");
    page.on("pageerror", e => page.troubles.push(e.message));
    page.on("console", m => m.type() === "error" && page.troubles.push(m.text()));
    await page.setViewport({ width, height, deviceScaleFactor: 1 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    if (cookie)
        await page.setCookie(cookie);
    await page.goto(url, { waitUntil: "load" });
    return page;
}

const state = page => page.$eval("#state", e => e.className + " " + e.textContent);
const live = page => page.waitForFunction(() => document.getElementById("state").className === "live", { timeout: patience + MANY / 5 });
const rows = (page, status) => page.$$eval("#events tbody tr:not(.details)", (all, s) => all.filter(r => !s || r.cells[2].textContent === s).map(r => r.cells[3].textContent), status);
const shows = (page, name) => page.waitForFunction(n => [...document.querySelectorAll("#events tbody td:nth-child(4)")].some(c => c.textContent === n), { timeout: patience, polling: 20 }, name);
// only waits until there are events, and all that are shown have these names.
const only = (page, pattern) => page.waitForFunction(p => { const all = [...document.querySelectorAll(".expand")]; return all.length > 0 && all.every(b => new RegExp(p).test(b.textContent)) }, { timeout: patience }, pattern);

async function set(page, id, text) {
    await page.$eval("#" + id, (e, t) => { e.value = t; e.dispatchEvent(new Event("input", { bubbles: true })); e.dispatchEvent(new Event("change", { bubbles: true })) }, text);
}

async function accessible(page, name) {
    // The page's policy forbids inline scripts; the debugger's evaluate is not one.
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    check(`axe, ${name}`, found.violations.length === 0, found.violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(" | ")}`).join("; "));
}

// picture makes one of the pictures of the docs, no higher than the content of the page.
async function picture(page, name, most = 760) {
    if (!PICTURES)
        return;
    const { width } = page.viewport(), end = await page.evaluate(() => Math.max(...[...document.querySelectorAll("main > *")].map(e => e.getBoundingClientRect().bottom)) + 16);
    await page.screenshot({ path: `${PICTURES}/${name}.png`, clip: { x: 0, y: 0, width, height: Math.ceil(Math.min(most, end)) } });
}

(async () => {
    const browser = await puppeteer.launch({
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium", headless: true,
        args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"], userDataDir: process.env.PROFILE,
    });
    const page = await opened(browser, PAGE);
    const began = Date.now();
    await live(page);
    await shows(page, "web");
    check("history", (await rows(page, "died")).includes("web"), `${(await rows(page)).length} rows, live ${Date.now() - began} ms after load`);
    check("the page is transferred as it is installed, compressed", page.received > 5000 && page.received < 14000, `${page.received} bytes`);
    const lane = await page.$$eval("#lanes tbody tr", all => all.map(r => [...r.cells].filter((_c, i) => i !== 1).map(c => c.textContent).join(" ")));
    check("lanes, those with trouble first", lane[0] === "api 11 10 11 137" && lane[1] === "web 3 2 3 3", lane.slice(0, 3).join(", "));

    // Live: from Podman's own stamp to the row on the screen.
    const delay = page.evaluate(() => new Promise(resolve => new MutationObserver(() => {
        for (const r of document.querySelectorAll("#events tbody tr"))
            if (r.event?.name === "newborn" && r.event.status === "create")
                resolve(Date.now() - r.event.timestampUSec / 1000);
    }).observe(document.querySelector("#events tbody"), { childList: true })));
    await podman("volume", "create", "newborn");
    const ms = Math.round(await delay);
    check("live within a second", ms < 1000, `${ms} ms`);

    // HTML in names and labels is text.
    await podman("create", "--name", "markup", "--label", "x=<img src=x onerror=window.attacked=1><b>bold</b>", process.env.IMAGE, "true");
    await shows(page, "markup");
    await page.evaluate(() => [...document.querySelectorAll("button.expand")].find(b => b.textContent === "markup").click());
    await page.waitForSelector("tr.details");
    const details = await page.$eval("tr.details", r => r.textContent);
    check("details have all fields, and HTML as text", details.includes("<b>bold</b>") && details.includes("cursor") && details.includes("image") &&
        !await page.evaluate(() => window.attacked || document.querySelector("tr.details img, tr.details b")));
    await accessible(page, "light, with details");
    await picture(page, "cockpit-light", 960);
    await page.evaluate(() => document.querySelector("button.expand[aria-expanded=true]").click());

    // Filters, and the error of an invalid one.
    await set(page, "filter", "event=died");
    await live(page);
    await page.waitForFunction(() => { const all = [...document.querySelectorAll("#events tbody tr")]; return all.length && all.every(r => r.event.status === "died") }, { timeout: patience });
    check("filter", new Set(await rows(page)).has("web"));
    await set(page, "filter", "evnt=died");
    await page.waitForFunction(() => document.getElementById("filter-error").textContent, { timeout: patience });
    check("an invalid filter is explained", true, await page.$eval("#filter-error", e => e.textContent));
    await accessible(page, "wrong filter");
    await set(page, "filter", "");
    await live(page);
    await shows(page, "web");

    // Search, pause, keyboard.
    await set(page, "search", "newborn");
    await only(page, "newborn");
    check("search", true);
    await set(page, "search", "");
    await page.focus("#pause");
    await page.keyboard.press("Enter");
    await podman("volume", "create", "meanwhile");
    await page.waitForFunction(() => /\d/.test(document.getElementById("pause").textContent), { timeout: patience });
    check("pause by the keyboard", !(await rows(page)).includes("meanwhile"), await page.$eval("#pause", e => e.textContent));
    await set(page, "search", "newborn");
    await only(page, "newborn");
    check("search while paused", true);
    await set(page, "search", "");
    await page.focus("#pause");
    await page.keyboard.press("Enter");
    await shows(page, "meanwhile");

    // Everything can be reached by the keyboard, in reading order.
    await page.focus("#span");
    const reached = new Set();
    for (let i = 0; i < 40 && !reached.has("expand"); i++) {
        await page.keyboard.press("Tab");
        reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
    }
    await page.keyboard.press("Enter");
    check("the keyboard reaches and opens everything", ["pause", "name", "filter", "search", "expand"].every(k => reached.has(k)) && await page.$("tr.details") !== null, [...reached].join(" "));
    await page.keyboard.press("Enter");

    // Dark by the browser, narrow, and dark by Cockpit's own switch, which takes precedence.
    for (const [name, how, style] of [["dark", { dark: true }], ["narrow", { width: 390, height: 1000 }], ["Cockpit's dark", {}, "dark"], ["Cockpit's light", { dark: true }, "light"]]) {
        const other = await opened(browser, PAGE, how);
        await other.evaluate(s => { s && localStorage.setItem("shell:style", s); window.dispatchEvent(new CustomEvent("cockpit-style")) }, style);
        await live(other);
        await shows(other, "web");
        await sleep(400);
        await accessible(other, name);
        const colour = await other.evaluate(() => getComputedStyle(document.body).backgroundColor);
        check(`colours, ${name}`, colour === ((style ? style === "dark" : how.dark) ? "rgb(15, 18, 20)" : "rgb(240, 240, 240)"), colour);
        if (name === "narrow")
            check("narrow: nothing to scroll sideways", await other.evaluate(() => document.documentElement.scrollWidth <= innerWidth), await other.evaluate(() => document.documentElement.scrollWidth));
        if (!style)
            await picture(other, "cockpit-" + name, how.height);
        await other.evaluate(() => localStorage.removeItem("shell:style"));
        await other.close();
    }

    // The service is killed while Podman continues.
    const writing = shell(process.env.SIXTY);
    await sleep(1500);
    process.kill(Number(fs.readFileSync(DAEMON_PID, "utf8")), "SIGKILL");
    await page.waitForFunction(() => document.getElementById("state").className === "lost", { timeout: patience });
    await writing;
    await page.waitForFunction(() => document.getElementById("state").textContent.startsWith("Live again"), { timeout: patience });
    await shows(page, "sixty-60");
    await set(page, "search", "sixty-");
    await only(page, "^sixty-");
    const sixty = await rows(page, "create");
    check("60 of 60 over SIGKILL of the service", sixty.length === 60 && new Set(sixty).size === 60, `${sixty.length} rows, ${new Set(sixty).size} different; ${await state(page)}`);
    await set(page, "search", "");
    check("no error in the console", page.troubles.length === 0, page.troubles.join("; "));
    await page.close();

    // For another language, the page needs only a file of translations.
    const translated = await opened(browser, PAGE, { cookie: { name: "CockpitLang", value: "pt-br", url: PAGE } });
    await live(translated);
    await translated.waitForFunction(() => document.querySelectorAll("#summary li").length, { timeout: patience });
    const words = await translated.evaluate(() => document.querySelector("main > section:not([id]) h2").textContent + " " + document.querySelectorAll("#summary li")[3].textContent);
    check("another language", /^Linha do tempo \d+ reinícios$/.test(words), words);
    await translated.deleteCookie({ name: "CockpitLang", url: PAGE });
    await translated.close();

    // A user without rights.
    const stranger = await opened(browser, STRANGER);
    await stranger.waitForFunction(() => !document.getElementById("help").hidden, { timeout: patience });
    check("without rights it says how to get them", /administrative access/.test(await stranger.$eval("#help p", e => e.textContent)), await stranger.$eval("#help h2", e => e.textContent));
    await accessible(stranger, "without rights");
    await picture(stranger, "cockpit-rights");
    // The administrator opens the socket for reading.
    await shell(`chmod 0666 ${READONLY}`);
    await stranger.click("#retry");
    await live(stranger);
    await stranger.waitForFunction(() => document.getElementById("empty").textContent, { timeout: patience });
    check("the socket for reading, and none of the events of others", (await rows(stranger)).length === 0 && await stranger.$eval("#everyone", e => e.hidden) &&
        await stranger.$eval("#help", e => e.hidden), `${await stranger.$eval("#no-lanes", e => e.textContent)} ${await stranger.$eval("#empty", e => e.textContent)}`);
    await accessible(stranger, "no events");
    await picture(stranger, "cockpit-empty");
    await stranger.close();

    // In Cockpit's shell a container has a link to the page of cockpit-podman.
    const shellPage = await opened(browser, new URL("/eventsvc", PAGE).href);
    const frame = await shellPage.waitForFrame(f => f.url().includes("/eventsvc/index.html"), { timeout: patience });
    await frame.waitForFunction(() => [...document.querySelectorAll("button.expand")].some(b => b.textContent === "quiet"), { timeout: patience });
    await frame.evaluate(() => [...document.querySelectorAll("#events tbody tr")].find(r => r.event?.type === "container" && r.event.name === "quiet").querySelector("button").click());
    await frame.waitForSelector("tr.details button", { timeout: patience });
    await frame.evaluate(() => document.querySelector("tr.details button").click());
    await shellPage.waitForFrame(f => f.url().includes("/podman/index.html"), { timeout: patience });
    check("a link to the container in cockpit-podman", /\/podman#.*name=quiet/.test(shellPage.url()), new URL(shellPage.url()).pathname + new URL(shellPage.url()).hash);
    await shellPage.close();

    // Very many events, names of 4 kB, right-to-left text.
    await shell(BIG);
    const big = await opened(browser, PAGE);
    await big.evaluate(() => { let last = performance.now(); window.longest = 0; setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - last - 20); last = now }, 20) });
    const started = Date.now();
    await live(big);
    const took = Date.now() - started;
    await sleep(500);
    const longest = Math.round(await big.evaluate(() => window.longest));
    const heap = Math.round((await big.metrics()).JSHeapUsedSize / 1048576);
    check(`${Number(MANY).toLocaleString()} events do not freeze it`, heap < 300 && longest < 2000, `${took} ms to live, longest pause ${longest} ms, heap ${heap} MiB`);
    const typed = Date.now();
    await set(big, "search", "quay.io no-such-word");
    await big.waitForFunction(() => document.getElementById("empty").textContent, { timeout: patience });
    check("search through all that it holds", true, `${Date.now() - typed} ms`);
    await set(big, "search", "");
    await accessible(big, `${MANY} events`);
    await set(big, "filter", "label=odd");
    await big.waitForFunction(() => { const all = [...document.querySelectorAll("#events tbody tr")]; return all.length && all.every(r => r.event.attributes?.odd) }, { timeout: patience });
    const odd = await rows(big);
    check("odd names are whole, and are nothing but text", odd.length === 4 && odd.some(n => n.length === 4096) && odd.includes("שלום \\u202eevil") && odd.includes("bell\\u0007 and \\u001b[31mred") &&
        odd.some(n => n.startsWith("<b>bold</b><script>")) && !await big.evaluate(() => window.attacked || document.querySelector("tbody b, tbody script")), odd.map(n => n.slice(0, 30)).join(", "));
    check("an escape reads from left to right, whatever is beside it", await big.evaluate(() => {
        const text = [...document.querySelectorAll(".expand")].find(b => b.textContent.includes("\\u202e")).firstChild, at = text.data.indexOf("\\");
        const left = i => { const r = document.createRange(); r.setStart(text, i); r.setEnd(text, i + 1); return r.getBoundingClientRect().left };
        return left(at) < left(at + 1) && left(at + 1) < left(at + 6);
    }));
    check("long names do not break the page", await big.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await accessible(big, "odd names");
    await picture(big, "cockpit-names");
    await big.close();

    // The store loses the position of an open page, cannot be read, and can be read again.
    const pid = () => Number(fs.readFileSync(DAEMON_PID, "utf8"));
    const says = (on, id, words) => on.waitForFunction((i, w) => !document.getElementById(i).hidden && document.getElementById(i).textContent.includes(w), { timeout: patience }, id, words);
    const lost = await opened(browser, PAGE);
    await live(lost);
    await shell(`mv ${LOG} ${LOG}.gone`);
    await podman("volume", "create", "after-the-loss");
    process.kill(pid(), "SIGKILL");
    await says(lost, "notice", "some events may be missing");
    await shows(lost, "after-the-loss");
    await live(lost);
    check("a lost place is reported, and the page continues", !(await rows(lost)).includes("web"), await lost.$eval("#notice", e => e.textContent));
    await sleep(1500); // longer than a reconnection takes
    await podman("volume", "create", "once");
    await shows(lost, "once");
    await sleep(300);
    const once = (await rows(lost, "create")).filter(n => n === "once" || n === "after-the-loss");
    check("and shows no event twice", once.length === 2, once.join(" "));
    await shell(`mv ${LOG} ${LOG}.kept && mkdir ${LOG}`);
    const faulty = await opened(browser, PAGE);
    await says(faulty, "fault", "not a regular file");
    check("a store that cannot be read is reported", true, await faulty.$eval("#fault", e => e.textContent));
    await shell(`rmdir ${LOG} && mv ${LOG}.kept ${LOG}`);
    await live(faulty);
    check("and the page continues when it can be read", await faulty.$eval("#fault", e => e.textContent === ""));
    await faulty.close();

    // The service is not running: for an open page, and for a new one.
    fs.writeFileSync(DAEMON_PID + ".over", "");
    process.kill(pid(), "SIGTERM");
    await says(lost, "help", "not running");
    const without = await opened(browser, PAGE);
    await says(without, "help", "systemctl enable --now eventsvc.socket");
    check("without the service it says how to start it", true, await without.$eval("#help h2", e => e.textContent));
    await accessible(without, "without the service");
    await picture(without, "cockpit-without");
    await without.close();
    await lost.close();
    await browser.close();
    process.exit(failures ? 1 : 0);
})().catch(e => { console.log("not ok", e.stack); process.exit(1) });
