#!/usr/bin/python3
"""Shows a desktop notification when a container of this user ends with an error.

It listens for a signal on the session bus. Start it with the session, for example from ~/.config/autostart/.
"""
from gi.repository import Gio, GLib

NAME, PATH = "io.podman.Events1", "/io/podman/Events1"


def show(bus, sender, path, interface, signal, arguments):
    kind, status, ident, name, time, details = arguments.unpack()
    code = details.get("exit_code", 0)
    if status != "died" or code == 0:
        return
    bus.call("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "Notify",
             GLib.Variant("(susssasa{sv}i)", ("eventsvc", 0, "dialog-warning", f"Container {name} failed",
                                              f"{details.get('image', ident)} ended with {code}", [], {}, -1)),
             None, Gio.DBusCallFlags.NONE, -1, None, None)


bus = Gio.bus_get_sync(Gio.BusType.SESSION)
# arg0 is the type: the bus wakes this program for containers only.
bus.signal_subscribe(NAME, NAME, "Event", PATH, "container", Gio.DBusSignalFlags.NONE, show)
# Nobody has called the service yet: watching its name starts it, and again when it has ended.
Gio.bus_watch_name_on_connection(bus, NAME, Gio.BusNameWatcherFlags.AUTO_START, lambda *_: print("watching", flush=True), None)
GLib.MainLoop().run()
