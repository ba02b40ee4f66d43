#!/usr/bin/env python3
"""What clients with bad manners do to the others: the others' p99 beside each of them, against their p99 alone.

The others call at 20 % of what the server can do, in an open loop (latency from the scheduled time), all cases that are
simple. Each abuser is given 5 % of capacity: its rate is found by loading the server with it alone and looking at the
processor time that a call of it costs. One server on one processor, the clients on the other.

And what all abusers of tests/abuse do to memory, each at full speed and with much more to do than in the test: before, at
most, and after, with a client beside it that must get every answer. The table goes into docs/security.md:
`bench/abuse.py --memory` measures that alone, `--docs` writes it there, too.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

sys.path.insert(0, os.path.join(bench.ROOT, "tests", "abuse"))
import beside as neighbours
import h2
import kinds

SHARE = 0.05
SECONDS = max(bench.SECONDS, 2)
OTHERS = 0.2
KINDS = ("never_read", "half_message", "reset", "largest")
TRIAL = {"never_read": 300, "half_message": 300, "reset": 300, "largest": 4}
CALLS = 3  # at the least, of an abuser beside the others: the dearer a call, the longer


def cpu_at_rest(server):
    """Its processor time once it does nothing more: what was sent last may still be worked on."""
    used = server.cpu()
    for _ in range(300):
        time.sleep(0.2)
        now = server.cpu()
        if now - used < 0.01:
            return now
        used = now
    sys.exit("the server does not come to rest after a trial")


def cost_of(server, kind, body):
    """Seconds of processor time that a call costs, at the least one tick of the clock over all calls of the trial."""
    before = cpu_at_rest(server)
    result = bench.client("abuse", server.address, body, kind=kind, rate=TRIAL[kind], seconds=2, warm=0)
    calls = result["answered"] if kind == "largest" else result["sent"]  # the last may have been cut off half done
    return max(cpu_at_rest(server) - before, 0.01) / max(calls, 1)


def beside(server, others, rate, kind, body, abuse_rate):
    """The others' latency while the abuser is at work (None: alone)."""
    abuser, seconds = None, SECONDS
    if kind:
        seconds = max(SECONDS, CALLS / abuse_rate)
        abuser = subprocess.Popen(bench.pinned(bench.CLIENT_CORE, [
            bench.program("bench/client"), "abuse", server.address, body, f"kind={kind}", f"rate={abuse_rate}", "warm=0",
            f"seconds={seconds + bench.WARM + 0.5}"]), stdout=subprocess.PIPE, text=True)
    result = bench.client("open", server.address, others, rate=rate, seconds=seconds, warm=bench.WARM, nap_us=20)
    if abuser:
        told, _ = abuser.communicate(timeout=30)
        result["abuser"] = {**bench.json.loads(told), "seconds": seconds + bench.WARM + 0.5} if told else None
    return result


def memory(report):
    """Each abuser against a server of its own. Rows for the table."""
    body = bench.frames_of(bench.bodies("simple"))[0][5:]
    rows = []
    print(f"\n{'MiB of memory':<20} {'before':>8} {'most':>8} {'after':>8}   closed, the other's answers, and those lost or wrong")
    for name, (abuser, _, amount) in kinds.ALL.items():
        if abuser is kinds.half_tls:
            continue  # with certificates: e2e/server_abuse
        server = bench.ours(name=f"pratiqued for {name}", core=None, more=["--handshake-timeout", "2"])
        wanted = h2.Connection(server.address).ask(body)
        told = neighbours.run(abuser, kinds.Target(server.address, body), amount, server.pid, wanted, 8 << 20)
        server.stop()
        lost = len(told["lost"]) + told["wrong"]
        rows.append({"kind": name, "what": abuser.__doc__.strip(), "amount": amount, "closed": told["closed"],
                     "answers": told["answers"], "lost": lost, "failed": told["failed"],
                     **{key: round(told[key] / 2**20, 1) for key in ("before", "peak", "after")}})
        print(f"{name:<20} {rows[-1]['before']:>8} {rows[-1]['peak']:>8} {rows[-1]['after']:>8}   {told['closed']:>6} "
              f"{told['answers']:>6} {lost:>4}  {told['failed'] or ''}", flush=True)
    report.data["memory"] = rows
    report.target("answers lost or wrong beside an abuser", sum(row["lost"] for row in rows), 0, below=True)
    report.target("MiB left after an abuser, at the most", max(row["after"] - row["before"] for row in rows), 16, below=True)
    return rows


def into_docs(rows):
    """The table between its marks."""
    path = os.path.join(bench.ROOT, "docs", "security.md")
    with open(path) as file:
        before, rest = file.read().split("<!-- abuse -->", 1)
    table = ["| abuser | what it does, how often (or bytes) | MiB before | most | after | others' answers | lost |",
             "|---|---|---|---|---|---|---|"]
    table += [f"| `{r['kind']}` | {r['what']} {r['amount']:,} | {r['before']} | {r['peak']} | {r['after']} | {r['answers']} | "
              f"{r['lost']} |" for r in rows]
    with open(path, "w") as file:
        file.write(before + "<!-- abuse -->\n" + "\n".join(table) + "\n<!-- /abuse -->" + rest.split("<!-- /abuse -->", 1)[1])


def run():
    if "--memory" in sys.argv or "--docs" in sys.argv:
        report = bench.Report("abuse-memory", "What clients with bad manners make the server take")
        rows = memory(report)
        report.close()
        if "--docs" in sys.argv:
            into_docs(rows)
        return
    report = bench.Report("abuse", __doc__.splitlines()[0])
    simple, largest = bench.bodies("simple"), bench.bodies("largest")
    server = bench.ours()
    capacity = bench.client("mix", server.address, simple, seconds=2)["per_second"]
    costs = {kind: cost_of(server, kind, largest if kind == "largest" else simple) for kind in KINDS}
    rates = {kind: SHARE / costs[kind] * CALLS / (CALLS + 1) for kind in KINDS}  # the first call comes at once
    rate = capacity * OTHERS
    report.data["rates"] = {"capacity": capacity, "others": rate, **rates}
    report.data["cost_s"] = costs
    report.note(f"capacity {capacity:.0f}/s; the others {rate:.0f}/s; abusers: " +
                ", ".join(f"{kind} {rates[kind]:.2f}/s of {costs[kind] * 1000:.2f} ms" for kind in KINDS) +
                f"; the largest message has {os.path.getsize(largest)} bytes and 1,000 lines")
    names = ["alone", *KINDS]
    results = bench.interleaved(names, lambda name: beside(
        server, simple, rate, None if name == "alone" else name, largest if name == "largest" else simple,
        rates.get(name, 0)))
    for kind in KINDS:
        shares = [r["abuser"]["sent"] * costs[kind] / r["abuser"]["seconds"] for r in results[kind] if r["abuser"]]
        report.row(f"{kind}: percent of the processor it was given", shares, scale=100, digits=1)
    report.head("the others' p99, microseconds")
    p99 = {name: [r["us"]["p99"] for r in results[name]] for name in names}
    lost = {name: sum(r["unanswered"] + r["refused"] for r in results[name]) for name in names}
    for name in names:
        report.row(f"beside {name}" if name != "alone" else name, p99[name])
    for kind in KINDS:
        value = report.ratio(f"p99 beside {kind} / alone", p99[kind], p99["alone"])
        report.target(f"the others' p99 beside {kind}", value, 1.5, below=True)
    report.target("the others' calls refused, or not answered within a second", sum(lost.values()), 0, below=True)
    memory(report)
    report.close()


bench.main(run)
