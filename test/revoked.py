#!/usr/bin/env python3
# Follows the events of all users in the four ways that do, prints "ready", and then how each ended: the way, the names of
# the events it got, and what ended it, as JSON.
#
#   revoked.py SOCKET BUS-ADDRESS
import json
import os
import socket
import sys
import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "io.podman.Events1"
PATH = "/io/podman/Events1"
path, address = sys.argv[1:]
got = {}
ready = {}


def frames(way, method, parameters, event):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(json.dumps({"method": method, "parameters": parameters, "more": True}).encode() + b"\0")
    names, kept = [], b""
    while True:
        while b"\0" in kept:
            frame, kept = kept.split(b"\0", 1)
            reply = json.loads(frame)
            if "error" in reply:
                got[way] = [names, reply["error"], reply.get("parameters", {}).get("reason", "")]
                return
            name = event(reply["parameters"])
            if name:
                names.append(name)
            if way == "Varlink" or name:  # the old interface is silent until the first event
                ready[way].set()
        more = s.recv(1 << 16)
        if not more:
            got[way] = [names, "closed", ""]
            return
        kept += more


def lines(way, stream):
    names = []
    for line in map(json.loads, stream):
        ready[way].set()
        if "event" in line:
            names.append(line["event"]["name"])
        if "error" in line:
            got[way] = [names, line["error"], ""]
            return
    got[way] = [names, "closed", ""]


def start(way, run, *args):
    ready[way] = threading.Event()
    thread = threading.Thread(target=run, args=(way, *args), daemon=True)
    thread.start()
    return thread


threads = [
    start("Varlink", frames, "io.podman.events.Subscribe", {"allUsers": True, "fromStart": True},
          lambda p: p.get("event", {}).get("name")),
    start("io.podman", frames, "io.podman.GetEvents", {"filter": ["uid=*"], "since": "2000-01-01", "until": ""},
          lambda p: p["events"].get("name")),
]
bus = Gio.DBusConnection.new_for_address_sync(
    address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
options = {"all_users": GLib.Variant("b", True), "from_start": GLib.Variant("b", True)}


def call(method, signature, *args):
    return bus.call_with_unix_fd_list_sync(
        NAME, PATH, NAME, method, GLib.Variant(signature, args), None, Gio.DBusCallFlags.NONE, -1, None, None)


reply, files = call("OpenStream", "(asa{sv})", [], options)
threads.append(start("OpenStream", lines, os.fdopen(files.get(reply.unpack()[0]))))

loop = GLib.MainLoop()
GLib.timeout_add_seconds(60, lambda: sys.exit("not all ended: " + json.dumps(got)))
seen = []


def signal(_bus, _sender, _path, _interface, name, args):
    if name == "Event":
        seen.append(args.unpack()[3])
        for one in ready.values():
            one.wait(30)
        print("ready", flush=True)
    elif name == "Ended":
        got["Subscribe"] = [seen, args.unpack()[0], args.unpack()[1]]
        loop.quit()


bus.signal_subscribe(NAME, NAME, None, PATH + "/subscription/view", None, Gio.DBusSignalFlags.NONE, signal)
call("Subscribe", "(sasa{sv})", "view", [], options)
loop.run()
for thread in threads:
    thread.join(30)
print(json.dumps(got), flush=True)
