#!/usr/bin/env python3
# A GLib program that prints the names of the events it gets, by each way that D-Bus has to ask for them: as JSON, or with
# "broadcast" those that are broadcast, one a line, from "ready" on up to the one named "end".
#
#   dbus_view.py ADDRESS default|all|broadcast
import json
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "io.podman.Events1"
PATH = "/io/podman/Events1"

address, view = sys.argv[1:]
bus = Gio.DBusConnection.new_for_address_sync(
    address,
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
    None,
    None,
)
loop = GLib.MainLoop()
GLib.timeout_add_seconds(30, lambda: sys.exit("not all events came"))


def call(method, signature, *args):
    reply, files = bus.call_with_unix_fd_list_sync(
        NAME, PATH, NAME, method, GLib.Variant(signature, args), None, Gio.DBusCallFlags.NONE, -1, None, None)
    return reply.unpack(), files


def broadcast(_bus, _sender, _path, _interface, _signal, args):
    print(args.unpack()[3], flush=True)
    if args.unpack()[3] == "end":
        loop.quit()


if view == "broadcast":
    bus.signal_subscribe(NAME, NAME, "Event", PATH, None, Gio.DBusSignalFlags.NONE, broadcast)
    call("GetEvents", "(asa{sv})", [], {})  # the bus has the match once there is an answer
    print("ready", flush=True)
    loop.run()
    sys.exit()

options = {"all_users": GLib.Variant("b", True)} if view == "all" else {}
past = dict(options, until=GLib.Variant("s", "now"), from_start=GLib.Variant("b", True))
got = {"Subscribe": []}


def signal(_bus, _sender, _path, _interface, name, args):
    if name == "Event":
        got["Subscribe"].append(args.unpack()[3])
    else:
        loop.quit()


bus.signal_subscribe(NAME, NAME, None, PATH + "/subscription/view", None, Gio.DBusSignalFlags.NONE, signal)
call("Subscribe", "(sasa{sv})", "view", [], past)
loop.run()
got["GetEvents"] = [e[3] for e in call("GetEvents", "(asa{sv})", [], options)[0][0]]
try:
    got["GetLastEvent"] = [call("GetLastEvent", "(as)", ["uid=*"] if view == "all" else [])[0][0][3]]
except GLib.Error as e:
    got["GetLastEvent"] = [] if "EventNotFound" in str(e) else [str(e)]
handle, files = call("OpenStream", "(asa{sv})", [], past)
with os.fdopen(files.get(handle[0])) as stream:
    got["OpenStream"] = [line["event"]["name"] for line in map(json.loads, stream) if "event" in line]
print(json.dumps(got))
