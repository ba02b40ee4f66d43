#!/usr/bin/env python3
"""Unary Decide over loopback TCP, the server on one processor and the client on the other, 8 connections with 32 calls.

Against the plain floor (an ordinary empty gRPC server) and our own (our loop with a constant reply of the same size).
By the own client with realistic shipments in turn, by which the targets are judged; with every one of the packs' cases;
with those alone that are simple; and by h2load with the one case whose reply is of median size.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench


def measure(report, label, load, judged=False):
    results = bench.interleaved(list(servers), lambda name: bench.with_cpu(servers[name], lambda: load(servers[name])))
    rates = {name: [r["per_second"] for r in results[name]] for name in servers}
    report.head("requests a second, " + label)
    for name in servers:
        report.row(f"{name}, {label}", rates[name])
    for name in servers:
        share = bench.SECONDS / (bench.SECONDS + bench.WARM)
        costs = [r["server_cpu_s"] * share / r["answered"] * 1e6 for r in results[name]]
        report.row(f"{name}, {label}: us of CPU a call", costs, digits=1)
    over_plain = report.ratio(f"pratiqued / plain floor, {label}", rates["pratiqued"], rates["plain floor"])
    over_own = report.ratio(f"pratiqued / own floor, {label}", rates["pratiqued"], rates["own floor"])
    report.ratio(f"own floor / plain floor, {label}", rates["own floor"], rates["plain floor"])
    if judged:
        report.target(f"pratiqued / plain floor, {label}", over_plain, 1.4, aim=1.9)
        report.target(f"pratiqued / own floor, {label}", over_own, 0.85, aim=0.95)


def run():
    report = bench.Report("unary", __doc__.splitlines()[0])
    every, simple = bench.bodies("all"), bench.bodies("simple")
    sizes = bench.typical(every)
    one = bench.write_frame("body-median.bin", bench.frames_of(every)[sizes["saved"]])
    report.data["reply_bytes"] = {key: sizes[key] for key in ("median", "mean", "p99", "max")}
    report.note(f"{sizes['n']} requests; replies of {sizes['median']:.0f} bytes in the median, {sizes['max']:.0f} at most")
    servers["pratiqued"] = bench.ours()
    servers["plain floor"] = bench.plain(sizes["reply"])
    servers["own floor"] = bench.ours(constant=sizes["reply"])

    def mixed(path):
        return lambda server: bench.client("mix", server.address, path, seconds=bench.SECONDS, warm=bench.WARM)

    measure(report, "shipments", mixed(bench.bodies("shipments")), judged=True)
    measure(report, "all cases", mixed(every))
    measure(report, "simple cases", mixed(simple))
    measure(report, "h2load, one case", lambda server: bench.h2load(server.address, one, 8, 32))
    report.close()


servers = {}
bench.main(run)
