#!/usr/bin/env python3
"""Latency in an open loop: calls on a Poisson schedule, counted from the scheduled time, server and client on a core each.

By the own client on gRPC C core, 8 connections. At 10,000 calls a second against the plain floor; then the curve over
rates, with fewer rounds. The targets are judged on realistic shipments.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

RATE = 10000
RATES = (1000, 2500, 5000, 10000, 15000, 20000, 25000)
CURVE_ROUNDS = 3


def compare(report, servers, label, path, rate, rounds=bench.ROUNDS):
    def load(name):
        return bench.client("open", servers[name].address, path, rate=rate, seconds=bench.SECONDS, warm=bench.WARM)

    results = bench.interleaved(list(servers), load, rounds)
    for name in servers:
        lost = sum(r["unanswered"] + r["refused"] for r in results[name])
        if lost:
            report.note(f"{name}, {label} at {rate}/s: {lost} calls not answered within 1 s, or refused: overloaded")
        lag = bench.statistics.median(r["lag_us"]["p99"] for r in results[name])
        if lag > 200:
            report.note(f"{name}, {label} at {rate}/s: the client itself was behind its schedule, p99 {lag:.0f} us")
    return results


def at_rate(report, servers, label, path, judged=False):
    results = compare(report, servers, label, path, RATE)
    report.head(f"microseconds at {RATE}/s, {label}")
    values = {}
    for name in servers:
        for key in ("p50", "p90", "p99", "p999"):
            values[name, key] = [r["us"][key] for r in results[name]]
            report.row(f"{name} {key}, {label}", values[name, key])
    for key, bound, aim in (("p50", 1.15, None), ("p99", 1.0, 0.5)):
        value = report.ratio(f"{key}: pratiqued / plain floor, {label}", values["pratiqued", key],
                             values["plain floor", key])
        if judged:
            report.target(f"{key} against the plain floor, {label}", value, bound, below=True, aim=aim)
    middle = {name: results[name][len(results[name]) // 2]["us"]["curve"] for name in servers}
    bench.curve(f"latency-percentiles-{label.split()[0]}", f"Latency at {RATE} calls a second, {label}",
                "percent of calls above", "microseconds",
                {name: [(100 - p, us) for p, us in points] for name, points in middle.items()}, logx=True, logy=True)


def over_rates(report, servers, label, path):
    series, servers = {}, dict(servers)
    for rate in RATES:
        results = compare(report, servers, label, path, rate, CURVE_ROUNDS)
        report.head(f"microseconds at {rate}/s, {label}")
        for name in servers:
            for key in ("p50", "p99"):
                value = report.row(f"{name} {key}, {label}, {rate}/s", [r["us"][key] for r in results[name]])
                series.setdefault(f"{name} {key}", []).append((rate, value))
        for name in list(servers):
            if any(r["unanswered"] for r in results[name]):
                report.note(f"{name} is overloaded at {rate}/s and is not asked at higher rates")
                del servers[name]
        if not servers:
            break
    report.data["curve"] = series
    bench.curve("latency", f"Latency over the rate of calls, {label}", "calls a second", "microseconds", series, logy=True)


def run():
    report = bench.Report("latency", __doc__.splitlines()[0])
    every, simple = bench.bodies("all"), bench.bodies("simple")
    sizes = bench.typical(every)
    servers = {
        "pratiqued": bench.ours(),
        "plain floor": bench.plain(sizes["reply"]),
        "own floor": bench.ours(constant=sizes["reply"]),
    }
    shipments = bench.bodies("shipments")
    at_rate(report, servers, "shipments", shipments, judged=True)
    at_rate(report, servers, "simple cases", simple)
    at_rate(report, servers, "all cases", every)
    over_rates(report, servers, "shipments", shipments)
    report.close()


bench.main(run)
