#!/usr/bin/env python3
"""What clients with bad manners do to the others: the others' p99 beside each of them, against their p99 alone.

The others call at 20 % of what the server can do, in an open loop (latency from the scheduled time), all cases that are
simple. Each abuser is given 5 % of capacity: its rate is found by loading the server with it alone and looking at the
processor time that a call of it costs. One server on one processor, the clients on the other.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

SHARE = 0.05
SECONDS = max(bench.SECONDS, 2)
OTHERS = 0.2
KINDS = ("never_read", "half_message", "reset", "largest")
TRIAL = {"never_read": 300, "half_message": 300, "reset": 300, "largest": 20}


def rate_of(server, kind, body):
    """Calls a second that cost 5 % of a processor."""
    before = server.cpu()
    result = bench.client("abuse", server.address, body, kind=kind, rate=TRIAL[kind], seconds=2, warm=0)
    used = max(server.cpu() - before, 0.01)
    return max(0.5, SHARE / (used / max(result["sent"], 1)))


def beside(server, others, rate, kind, body, abuse_rate):
    """The others' latency while the abuser is at work (None: alone)."""
    abuser = None
    if kind:
        abuser = subprocess.Popen(bench.pinned(bench.CLIENT_CORE, [
            bench.program("bench/client"), "abuse", server.address, body, f"kind={kind}", f"rate={abuse_rate}", "warm=0",
            f"seconds={SECONDS + bench.WARM + 0.5}"]), stdout=subprocess.PIPE, text=True)
    result = bench.client("open", server.address, others, rate=rate, seconds=SECONDS, warm=bench.WARM, nap_us=20)
    if abuser:
        told, _ = abuser.communicate(timeout=30)
        result["abuser"] = bench.json.loads(told) if told else None
    return result


def run():
    report = bench.Report("abuse", __doc__.splitlines()[0])
    simple, largest = bench.bodies("simple"), bench.bodies("largest")
    server = bench.ours()
    capacity = bench.client("mix", server.address, simple, seconds=2)["per_second"]
    rates = {kind: rate_of(server, kind, largest if kind == "largest" else simple) for kind in KINDS}
    rate = capacity * OTHERS
    report.data["rates"] = {"capacity": capacity, "others": rate, **rates}
    report.note(f"capacity {capacity:.0f}/s; the others {rate:.0f}/s; abusers: " +
                ", ".join(f"{kind} {rates[kind]:.1f}/s" for kind in KINDS) +
                f"; the largest message has {os.path.getsize(largest)} bytes and 1,000 lines")
    names = ["alone", *KINDS]
    results = bench.interleaved(names, lambda name: beside(
        server, simple, rate, None if name == "alone" else name, largest if name == "largest" else simple,
        rates.get(name, 0)))
    report.head("the others' p99, microseconds")
    p99 = {name: [r["us"]["p99"] for r in results[name]] for name in names}
    lost = {name: sum(r["unanswered"] + r["refused"] for r in results[name]) for name in names}
    for name in names:
        report.row(f"beside {name}" if name != "alone" else name, p99[name])
    for kind in KINDS:
        value = report.ratio(f"p99 beside {kind} / alone", p99[kind], p99["alone"])
        report.target(f"the others' p99 beside {kind}", value, 1.5, below=True)
    report.target("the others' calls refused, or not answered within a second", sum(lost.values()), 0, below=True)
    report.close()


bench.main(run)
