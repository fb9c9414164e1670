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


def keep(cursor):
    """Replaces the file as a whole: a crash leaves this cursor or the one before."""
    part = place.with_name(place.name + ".part")
    part.write_text(cursor)
    part.replace(place)


def follow(start):
    """Follows until the connection or the service ends, and returns where to go on."""
    with varlink.Client.new_with_address(address) as client, client.open("io.podman.events") as events:
        try:
            for reply in events.Subscribe(filters=["type=container", "event=died"], **start, _more=True):
                event = reply.get("event")
                if event:
                    print(event["name"], event.get("exitCode"), flush=True)
                keep(reply["cursor"])  # what is before it has been dealt with
        except varlink.VarlinkError as error:
            if error.error() == "io.podman.events.CursorExpired":
                print("events were lost", file=sys.stderr)
                return {"fromStart": True}  # from the oldest that there is then
            if error.error() not in ("io.podman.events.ShuttingDown", "io.podman.events.BackendUnavailable"):
                raise
            print(error, file=sys.stderr)
    return {}


start = {}
while True:
    if not start and place.exists():
        start = {"after": place.read_text()}
    try:
        start = follow(start)
    except OSError as error:  # it is being restarted, say, and there is no socket for a moment
        print(f"{address}: {error}; trying again", file=sys.stderr)
        start = {}
    if not start:
        time.sleep(1)
