#!/usr/bin/env python3
# A GLib program that opens a stream of all events up to now and prints its lines.
#
#   dbus_stream.py ADDRESS
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

bus = Gio.DBusConnection.new_for_address_sync(
    sys.argv[1],
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
    None,
    None,
)
args = GLib.Variant("(asa{sv})", ([], {"until": GLib.Variant("s", "now"), "from_start": GLib.Variant("b", True)}))
reply, files = bus.call_with_unix_fd_list_sync(
    "io.podman.Events1", "/io/podman/Events1", "io.podman.Events1", "OpenStream", args, None,
    Gio.DBusCallFlags.NONE, -1, None, None,
)
with os.fdopen(files.get(reply.unpack()[0])) as stream:
    for line in stream:
        print(line, end="")
