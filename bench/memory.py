#!/usr/bin/env python3
"""Memory of pratiqued from smaps: idle, under load, a shard, a connection, a stream, and the store between processes.

Private is what belongs to the process alone (Private_Clean + Private_Dirty). The costs of one more shard, connection or
stream are differences of the same server with few and with many.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

HELD = 1000
STREAMS_OF_ONE = 100
WATCH = "/grpc.health.v1.Health/Watch"


def rollup(pid):
    """KiB by name, of the whole process."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = [line.split() for line in file if line.endswith("kB\n")]
    return {name.rstrip(":"): int(kib) for name, kib, _ in fields}


def private(server):
    figures = rollup(server.pid)
    return figures["Private_Clean"] + figures["Private_Dirty"]


def of_store(pid):
    """KiB of the mapping of the store: resident, private, shared with another process, proportional."""
    figures, inside = {}, False
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                inside = line.rstrip().endswith(".mdb")
            elif inside and words[-1] == "kB":
                name = words[0].rstrip(":")
                figures[name] = figures.get(name, 0) + int(words[1])
    return {"resident": figures["Rss"], "private": figures["Private_Clean"] + figures["Private_Dirty"],
            "shared": figures["Shared_Clean"] + figures["Shared_Dirty"], "proportional": figures["Pss"]}


def held(server, body, **options):
    """KiB of private memory more while a client holds what it was told to, and how much it held."""
    before = private(server)
    holder = subprocess.Popen([bench.program("bench/client"), "hold", server.address, body] +
                              [f"{k}={v}" for k, v in options.items()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    told = bench.json.loads(holder.stdout.readline())
    time.sleep(0.3)
    after = private(server)
    holder.communicate()
    time.sleep(0.7)
    return after - before, told, private(server) - before


def loaded(server, body):
    """The largest private memory seen while the closed loop runs."""
    load = subprocess.Popen([bench.program("bench/client"), "mix", server.address, body, "seconds=4"],
                            stdout=subprocess.DEVNULL)
    most = 0
    while load.poll() is None:
        most = max(most, private(server))
        time.sleep(0.05)
    return most


def shared_store(report):
    one = bench.ours(1, core=None)
    alone = of_store(one.pid)
    two = bench.ours(1, core=None, name="second process")
    both = [of_store(one.pid), of_store(two.pid)]
    report.data["store"] = {"alone": alone, "two processes": both}
    print("\nthe store's mapping, KiB" + " " * 22 + "".join(f"{key:>14}" for key in alone))
    for name, row in (("one process", alone), ("first of two", both[0]), ("second of two", both[1])):
        print(f"  {name:<44}" + "".join(f"{row[key]:>14}" for key in alone))
    report.target("private pages of the store with two processes", max(row["private"] for row in both), 64, below=True,
                  unit=" KiB")
    one.stop()
    two.stop()


def run():
    report = bench.Report("memory", __doc__.splitlines()[0])
    every = bench.bodies("all")
    two = bench.ours(2, core=None)
    time.sleep(1)
    figures = rollup(two.pid)
    alone = figures["Private_Clean"] + figures["Private_Dirty"]
    report.note(f"idle and alone with 2 shards, KiB: resident {figures['Rss']}, private {alone} (the store's "
                f"{of_store(two.pid)['resident']} are in it, as nobody else maps it), written to {figures['Private_Dirty']}")
    dirty = {}
    for n in (1, 2, 8):
        server = bench.ours(n, core=None, name=f"{n} shards")
        time.sleep(0.5)
        dirty[n] = rollup(server.pid)["Private_Dirty"]
        server.stop()
    report.note(f"KiB written to, idle: {dirty[1]} with 1 shard, {dirty[2]} with 2, {dirty[8]} with 8; one more shard "
                f"{(dirty[8] - dirty[2]) / 6:.0f}")
    load = loaded(two, every)
    time.sleep(1)
    report.note(f"under load (8 connections with 32 calls, all cases, 2 shards), KiB private at most: {load}; "
                f"a second after it: {private(two)}")
    for label, body, options, each in (
            ("connection, used once and idle", every, {"kind": "connection", "connections": HELD}, HELD),
            ("stream, open and idle (Health.Watch, nothing sent)", every,
             {"kind": "stream", "connections": HELD // STREAMS_OF_ONE, "streams": STREAMS_OF_ONE, "path": WATCH}, HELD)):
        more, told, left = held(two, body, **options)
        report.data[label] = {"kib_each": more / each, "held": told, "kib_left_after": left}
        report.note(f"a {label}: {more / each:.1f} KiB private each ({told}); {left} KiB left after they closed")
    two.stop()
    report.data.update(idle_kib=alone, dirty_kib=dirty, load_kib=load)
    shared_store(report)
    report.target("private, idle with 2 shards", alone / 1024, 16, below=True, unit=" MiB")
    report.target("private, under load", load / 1024, 64, below=True, unit=" MiB")
    report.close()


bench.main(run)
