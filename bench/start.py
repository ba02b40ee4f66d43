#!/usr/bin/env python3
"""From exec to ready, the file warm: the US packs verified in full.

Ready is when --ready-fd has been written: sockets listen, the store is open and checked. With BENCH_BIG_STORE a second
store is started from as well, in turn with the first: the first start of it on this machine, then later ones.
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench


def start(path):
    os.environ["STORE"] = path
    bench._store = None
    server = bench.ours(2, core=None)
    server.stop()
    return server.ready_ms


def nothing(_):
    began = time.monotonic()
    subprocess.run([bench.program("pratiqued"), "--version"], check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - began) * 1000


def run():
    report = bench.Report("start", __doc__.splitlines()[0])
    small, big = bench.store_path(), os.environ.get("BENCH_BIG_STORE")
    kinds = {"US packs": lambda: start(small), "pratiqued --version": lambda: nothing(None)}
    if big:
        first = start(big)
        kinds["big store"] = lambda: start(big)
    start(small)
    results = bench.interleaved(list(kinds), lambda name: kinds[name](), max(bench.ROUNDS, 11))
    report.head("milliseconds from exec to ready")
    values = {name: report.row(f"{name}, {os.path.getsize(path):,} bytes" if path else name, results[name], digits=1)
              for name, path in (("US packs", small), ("pratiqued --version", None), ("big store", big))
              if name in results}
    report.target("US packs verified in full", values["US packs"], 50, below=True, unit=" ms")
    if big:
        report.note(f"first start from the big store: {first:.1f} ms")
        report.target("big store verified before on this machine", values["big store"], 100, below=True, unit=" ms")
    else:
        report.skip("a store of 1 GB verified before: name one in BENCH_BIG_STORE (bench/rules.py keeps those it makes "
                    "with BENCH_KEEP=1)")
    report.close()


bench.main(run)
