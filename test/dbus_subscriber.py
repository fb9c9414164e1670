#!/usr/bin/env python3
# A GLib program with two subscriptions on one bus connection: prints what each of its proxies gets, and a line when both
# stand. It ends when each has got as many events as its last argument says.
#
#   dbus_subscriber.py ADDRESS COUNT
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "io.podman.Events1"
PATH = "/io/podman/Events1"

address, count = sys.argv[1], int(sys.argv[2])
bus = Gio.DBusConnection.new_for_address_sync(
    address,
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
    None,
    None,
)
loop = GLib.MainLoop()
got = {"volumes": 0, "containers": 0}
live = {}  # how many events had been sent when a subscription became live, and how many had come


def listen(token, path):
    proxy = Gio.DBusProxy.new_sync(bus, Gio.DBusProxyFlags.NONE, None, NAME, path, NAME, None)

    def on_signal(_proxy, _sender, signal, args):
        if signal == "Live":
            live[token] = (args.unpack()[1], got[token])
            return
        if signal != "Event":
            print(token, signal, flush=True)
            return
        kind, status, _id, name, usec, details = args.unpack()
        print(token, kind, status, name, usec, details["sequence"], flush=True)
        got[token] += 1
        if min(got.values()) >= count:
            loop.quit()

    proxy.connect("g-signal", on_signal)
    return proxy


main = Gio.DBusProxy.new_sync(bus, Gio.DBusProxyFlags.NONE, None, NAME, PATH, NAME, None)
proxies = [listen(token, f"{PATH}/subscription/{token}") for token in got]
for token in got:
    args = GLib.Variant("(sasa{sv})", (token, [f"type={token[:-1]}"], {}))
    path, cursor = main.call_sync("Subscribe", args, Gio.DBusCallFlags.NONE, -1, None).unpack()
    assert path == f"{PATH}/subscription/{token}", path
print("ready", main.get_cached_property("Version").unpack(), flush=True)
GLib.timeout_add_seconds(20, lambda: sys.exit("not all events came"))
loop.run()
for token in got:
    main.call_sync(
        "Unsubscribe", GLib.Variant("(o)", (f"{PATH}/subscription/{token}",)), Gio.DBusCallFlags.NONE, -1, None
    )
assert live == {token: (0, 0) for token in got}, live
print("done", flush=True)
