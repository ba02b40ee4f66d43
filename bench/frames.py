#!/usr/bin/env python3
"""Batches and stream frames of 1,000 requests: decisions a second, one server core, an ordinary gRPC client on the other.

The client packs every request anew and counts the results of every reply; it unpacks each 16th reply in full, or, in a
second row, all. The targets are judged on realistic shipments. What a decision costs the server in processor time is printed beside the rate, for with everything
unpacked it is the client that is measured.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

ITEMS = 1000
SIZES = (1, 10, 100, 1000)


def load(server, path, kind, items=ITEMS, unpack=16):
    result = bench.with_cpu(server, lambda: bench.client(
        "frames", server.address, path, kind=kind, items=items, connections=2, streams=1, unpack=unpack,
        seconds=bench.SECONDS, warm=bench.WARM, limit=90))
    if result["failed"] or result["status"]:
        sys.exit(f"{kind}: {result['failed']} replies are wrong, status {result['status']}")
    return result


def rows(report, label, results):
    rate = report.row(f"{label}: decisions a second", [r["per_second"] for r in results])
    report.row(f"{label}: us of server CPU a decision",
               [r["server_cpu_s"] / max(r["results"], 1) * 1e6 for r in results], digits=2)
    report.row(f"{label}: bytes of reply a decision", [r["reply_bytes_each"] for r in results], digits=0)
    report.row(f"{label}: client's share of its core", [r["client_cpu_s"] / r["elapsed_s"] for r in results], digits=2)
    return rate


def run():
    report = bench.Report("frames", __doc__.splitlines()[0])
    paths = {"shipments": bench.bodies("shipments"), "simple cases": bench.bodies("simple"),
             "all cases": bench.bodies("all")}
    server = bench.ours(more=["--max-message-bytes", str(16 << 20)])
    names = [(kind, label, unpack) for kind in ("batch", "stream")
             for label, unpack in (("shipments", 16), ("shipments", 1), ("simple cases", 16), ("all cases", 16))]
    results = bench.interleaved(names, lambda name: load(server, paths[name[1]], name[0], unpack=name[2]))
    report.head(f"messages of {ITEMS}")
    for kind, label, unpack in names:
        title = f"{kind}, {label}" + (", all unpacked" if unpack == 1 else "")
        rate = rows(report, title, results[kind, label, unpack])
        if unpack == 16 and label == "shipments":
            report.target(f"{kind}, {label}: decisions a second", rate, 400000, aim=1500000)
    series = {}
    for kind in ("batch", "stream"):
        sizes = bench.interleaved(list(SIZES), lambda items: load(server, paths["shipments"], kind, items), 3)
        series[kind] = [(n, bench.statistics.median(r["per_second"] for r in sizes[n])) for n in SIZES]
    report.data["curve"] = series
    print("\ndecisions a second by requests in a message: " + "; ".join(
        f"{kind} " + ", ".join(f"{n}: {rate:.0f}" for n, rate in points) for kind, points in series.items()))
    bench.curve("frames", "Decisions a second, shipments", "requests in a message", "decisions a second", series,
                logx=True)
    report.close()


bench.main(run)
