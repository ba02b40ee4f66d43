#!/usr/bin/env python3
"""Unary Decide over loopback TCP on two cores: two shards of pratiqued against two threads on one queue.

Servers and client are not pinned: they share the processors of the machine as they would without us. Load by h2load (one
process a connection of 2) and by the own client with realistic shipments (the targets are judged
by them) and with the cases in turn; 8 connections with 32 calls each.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench


def run():
    report = bench.Report("cores", __doc__.splitlines()[0])
    every, simple, shipments = bench.bodies("all"), bench.bodies("simple"), bench.bodies("shipments")
    sizes = bench.typical(every)
    servers = {
        "pratiqued, 2": bench.ours(2, core=None),
        "pratiqued, 1": bench.ours(1, core=None, name="pratiqued one"),
        "plain, 2 on one queue": bench.plain(sizes["reply"], 2, core=None),
        "plain, 1": bench.plain(sizes["reply"], 1, core=None, name="plain one"),
        "own floor, 2": bench.ours(2, core=None, constant=sizes["reply"]),
    }
    for label, path in (("shipments", shipments), ("all cases", every), ("simple cases", simple)):
        results = bench.interleaved(list(servers), lambda name: bench.client(
            "mix", servers[name].address, path, core=None, seconds=bench.SECONDS, warm=bench.WARM))
        rates = {name: [r["per_second"] for r in results[name]] for name in servers}
        report.head("requests a second, " + label)
        for name in servers:
            report.row(f"{name}, {label}", rates[name])
        value = report.ratio(f"pratiqued / plain, both 2, {label}", rates["pratiqued, 2"], rates["plain, 2 on one queue"])
        report.ratio(f"pratiqued, 2 over 1, {label}", rates["pratiqued, 2"], rates["pratiqued, 1"])
        report.ratio(f"plain, 2 over 1, {label}", rates["plain, 2 on one queue"], rates["plain, 1"])
        if label == "shipments":
            report.target(f"pratiqued / plain floor, two cores, {label}", value, 1.5, aim=2.5)
    report.close()


bench.main(run)
