#!/usr/bin/python3
"""Prints the containers that end on this host, over the system bus, without missing one when the service restarts."""
from gi.repository import Gio, GLib

NAME, PATH = "io.podman.Events1", "/io/podman/Events1"
TOKEN = "follow"
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
cursor = None  # after the last event that was dealt with, at first where the subscription began


def subscribe(options):
    global cursor
    arguments = GLib.Variant("(sasa{sv})", (TOKEN, ["type=container", "event=died"], options))
    reply = bus.call_sync(NAME, PATH, NAME, "Subscribe", arguments, None, Gio.DBusCallFlags.NONE, -1, None)
    cursor = reply.unpack()[1]
    print("ready", flush=True)


def event(bus, sender, path, interface, signal, arguments):
    global cursor
    kind, status, ident, name, time, details = arguments.unpack()
    print(name, details.get("exit_code"), flush=True)
    cursor = details["cursor"]


def ended(bus, sender, path, interface, signal, arguments):
    global cursor
    error, text, cursor = arguments.unpack()
    print("ended:", error, text, flush=True)
    if not error.endswith(".ShuttingDown"):  # then the next process goes on where this one was
        resume()


def resume(options=None):
    try:
        subscribe(options or ({} if cursor is None else {"after": GLib.Variant("s", cursor)}))
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or ""
        if name == NAME + ".Error.CursorExpired":
            print("events were lost", flush=True)
            resume({"from_start": GLib.Variant("b", True)})
            return
        print("cannot subscribe:", error.message, flush=True)
        if name.startswith(NAME):  # it cannot read its log now, say; if it has gone, its next process is waited for
            GLib.timeout_add_seconds(1, resume)


# Its signals come from an object of this subscription's own: listen there first, then subscribe.
mine = PATH + "/subscription/" + TOKEN
bus.signal_subscribe(NAME, NAME, "Event", mine, None, Gio.DBusSignalFlags.NONE, event)
bus.signal_subscribe(NAME, NAME, "Ended", mine, None, Gio.DBusSignalFlags.NONE, ended)
# Called at once, and whenever the service has a new process; if it has none, it is started.
Gio.bus_watch_name_on_connection(bus, NAME, Gio.BusNameWatcherFlags.AUTO_START, lambda *_: resume(), lambda *_: start())


def start():
    bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "StartServiceByName", GLib.Variant("(su)", (NAME, 0)),
             None, Gio.DBusCallFlags.NONE, -1, None, None)


loop = GLib.MainLoop()
loop.run()
