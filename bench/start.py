#!/usr/bin/env python3
"""From exec to ready, the file warm: the US packs verified in full.

Ready is when --ready-fd has been written: sockets listen, the store is open and checked. With BENCH_BIG_STORE a second
store is started from as well, in turn with the first: hashed in full, and by a record that it was hashed before
(--verified-cache). Such a store, of 1 GB: `BENCH_RULES=1000000 BENCH_NOTE=650 BENCH_KEEP=1 ./dev bench rules`. The
processor time until ready is told beside, for that a busy machine changes least.
"""
import glob
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench


def start(path, records=None):
    os.environ["STORE"] = path
    bench._store = None
    server = bench.ours(2, core=None, more=["--verified-cache", records, "--log-level", "info"] if records else [])
    used = processor_ms(server.pid)
    server.stop()
    return server.ready_ms, used


def processor_ms(pid):
    """Milliseconds that all threads have run so far."""
    tasks = glob.glob(f"/proc/{pid}/task/*/schedstat")
    return sum(int(open(task).read().split()[0]) for task in tasks) / 1e6


def make_record(path):
    """A folder with a record of the store: the first start that hashes it leaves one, the second one must believe it."""
    records = bench.out("verified")
    start(path, records)
    start(path, records)
    with open(bench.out("log-pratiqued")) as file:
        if '"verified":"by record"' not in file.read():
            sys.exit(f"there is no record of {path}: is it on a disk, and older than some seconds?")
    return records


def nothing(_):
    began = time.monotonic()
    subprocess.run([bench.program("pratiqued"), "--version"], check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1000, 0.0


def run():
    report = bench.Report("start", __doc__.splitlines()[0])
    small, big = bench.store_path(), os.environ.get("BENCH_BIG_STORE")
    kinds = {"US packs": lambda: start(small), "pratiqued --version": lambda: nothing(None)}
    if big:
        records = make_record(big)
        kinds["big store in full"] = lambda: start(big)
        kinds["big store by record"] = lambda: start(big, records)
    start(small)
    results = bench.interleaved(list(kinds), lambda name: kinds[name](), max(bench.ROUNDS, 11))
    report.head("milliseconds from exec to ready")
    values = {name: report.row(f"{name}, {os.path.getsize(path):,} bytes" if path else name,
                               [ready for ready, _ in results[name]], digits=1)
              for name, path in (("US packs", small), ("pratiqued --version", None), ("big store in full", big),
                                 ("big store by record", big))
              if name in results}
    report.head("milliseconds of processor time until ready")
    for name in results:
        if name in values and name != "pratiqued --version":
            report.row(f"{name}: processor time", [used for _, used in results[name]], digits=1)
    report.target("US packs verified in full", values["US packs"], 50, below=True, unit=" ms")
    if big:
        report.target("big store verified before on this machine", values["big store by record"], 100, below=True,
                      unit=" ms")
    else:
        report.skip("a store of 1 GB verified before: name one in BENCH_BIG_STORE (bench/rules.py keeps those it makes "
                    "with BENCH_KEEP=1)")
    report.close()


bench.main(run)
