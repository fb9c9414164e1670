// The events, over Varlink: every one once, in order, also over a lost connection.
// It knows the interface io.podman.events, and nothing of the page.
/* global cockpit */

// The socket of root, and the one that an administrator may open to every user.
const SOCKETS = ["/run/eventsvc/io.podman.events", "/run/eventsvc/io.podman.events.readonly"];
const WAITS = [500, 1000, 2000, 5000];

// A conversation is one connection: calls go out, and their replies come back in order.
function converse(socket, calls, onReply, onClose) {
    const channel = cockpit.channel({ payload: "stream", unix: socket, binary: true, superuser: "try" });
    const decoder = new TextDecoder();
    let rest = "", call = 0;
    channel.addEventListener("message", (_event, data) => {
        const parts = (rest + decoder.decode(data, { stream: true })).split("\0");
        rest = parts.pop();
        for (const part of parts) {
            const reply = JSON.parse(part);
            onReply(call, reply);
            if (!reply.continues)
                call++;
        }
    });
    channel.addEventListener("close", (_event, options) => onClose(options.problem || ""));
    channel.send(new TextEncoder().encode(calls.map(c => JSON.stringify(c) + "\0").join("")));
    return channel;
}

// follow delivers what happens to "on": status(reply of GetStatus), event(e),
// live(), lost(problem), back(), gap() when the store has lost the place,
// refused(error, parameters) when nothing more comes. It returns what ends it.
export function follow({ filters, since, allUsers }, on) {
    let cursor = null, lost = false, over = false, tries = 0, socket = 0, channel = null, timer = 0, watchdog = 0;

    function connect() {
        const from = cursor ? { after: cursor } : { since };
        const subscribe = { filters, heartbeatSec: 20, ...from };
        if (allUsers)
            subscribe.allUsers = true;
        channel = converse(SOCKETS[socket], [
            { method: "io.podman.events.GetStatus", parameters: {} },
            { method: "io.podman.events.Subscribe", more: true, parameters: subscribe },
        ], reply, closed);
        watch();
    }

    // A service that says nothing for long has gone, though its socket may not have closed.
    function watch() {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => { channel.close(); closed("timeout") }, 60000);
    }

    function reply(call, message) {
        if (over)
            return;
        watch();
        const p = message.parameters || {};
        if (message.error)
            return failed(message.error, p);
        if (call === 0)
            return on.status(p);
        if (p.ready) {
            tries = 0;
            if (lost)
                on.back();
            lost = false;
        }
        if (p.event)
            on.event(p.event);
        cursor = p.cursor;
        if (p.live)
            on.live();
        if (!message.continues)
            closed("");
    }

    function failed(error, p) {
        if (error === "io.podman.events.CursorExpired") {
            cursor = null;
            channel.close();
            on.gap();
            connect();
        } else if (error === "io.podman.events.ShuttingDown" || error === "io.podman.events.BackendUnavailable") {
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
        channel.close();
        if (socket === 0 && problem === "access-denied") {
            socket = 1;
            return connect();
        }
        // There is no other socket: what counts is that the first is not for this user.
        if (socket === 1 && problem === "not-found")
            problem = "access-denied";
        socket = 0;
        lost = true;
        on.lost(problem);
        clearTimeout(timer);
        timer = setTimeout(connect, WAITS[Math.min(tries++, WAITS.length - 1)]);
    }

    function stop() {
        over = true;
        clearTimeout(timer);
        clearTimeout(watchdog);
        channel.close();
    }

    connect();
    return stop;
}
