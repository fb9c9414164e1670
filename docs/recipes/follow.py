#!/usr/bin/python3
"""Prints the containers that end on this host, over Varlink, and goes on where its last run ended. Needs python3-varlink.

    follow.py CURSOR-FILE [ADDRESS]
"""
import pathlib
import sys
import time

import varlink

place = pathlib.Path(sys.argv[1])
address = sys.argv[2] if len(sys.argv) > 2 else "unix:/run/eventsvc/io.podman.events"


def follow(after):
    """Follows until the connection or the service ends. Returns where to go on."""
    with varlink.Client.new_with_address(address) as client, client.open("io.podman.events") as events:
        try:
            for reply in events.Subscribe(filters=["type=container", "event=died"], after=after, _more=True):
                event = reply.get("event")
                if event:
                    print(event["name"], event.get("exitCode"), flush=True)
                after = reply["cursor"]
                place.write_text(after)  # what is in front of it has been dealt with
        except varlink.VarlinkError as error:
            if error.error() == "io.podman.events.CursorExpired":
                print("events were lost", file=sys.stderr)
                return error.parameters()["oldest"]
            if error.error() != "io.podman.events.ShuttingDown":
                raise
    return after


cursor = place.read_text() if place.exists() else None
while True:
    try:
        cursor = follow(cursor)
    except (ConnectionError, BrokenPipeError):
        pass
    time.sleep(1)
