#!/usr/bin/env python3
"""One decision in process over the US packs with 1,000 to 1,000,000 synthetic rules more, and the bytes of a rule.

The synthetic rules are requirements over attributes that the packs have: 45 % name destinations and an item, 45 % an item
and destinations, 10 % neither but origin and kind of transaction. None of them holds for any of the requests (each names
something that no case has), so that the number of rules that match is the same at each size; the packs' own rules match
as ever. The rules stand in the order of what they name, as a lawyer would write them.

  BENCH_RULES    sizes (default 0,1000,10000,100000,1000000; the million takes 8 GB of memory and minutes to seal)
  BENCH_NOTE     bytes of a note that each synthetic rule has (default 0), each another: 650 make a store of 1 GB of a million
  BENCH_KEEP=1   keep the stores, build/bench/rules-N.mdb
  BENCH_LIMIT    seconds that sealing one store may take (default 1800)
"""
import csv
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

SIZES = [int(n) for n in os.environ.get("BENCH_RULES", "0,1000,10000,100000,1000000").split(",")]
LIMIT = float(os.environ.get("BENCH_LIMIT", "1800"))
NOTE = int(os.environ.get("BENCH_NOTE", "0"))
OF_A_FILE = 10000
BASE = os.path.join(bench.ROOT, "rules")


def column(path, name):
    with open(os.path.join(BASE, path), newline="") as file:
        return sorted({row[name] for row in csv.DictReader(file) if row[name]})


def said(of, key, found):
    """All texts that cases say under a key, at any depth."""
    if isinstance(of, dict):
        for name, value in of.items():
            if name == key and isinstance(value, str):
                found.add(value)
            said(value, key, found)
    elif isinstance(of, list):
        for value in of:
            said(value, key, found)
    return found


def vocabulary():
    cases = []
    for path in glob.glob(os.path.join(BASE, "*", "cases", "*.jsonl")):
        with open(path) as file:
            cases += [json.loads(line) for line in file if line.startswith("{")]
    used_places = set().union(*(said(cases, key, set()) for key in ("destination", "origin", "country")))
    used_items = {text.split(".")[0] for text in said(cases, "eccn", set())}
    places = column("us-ear/tables/commerce_country_chart.csv", "iso2")
    items = column("us-ear/tables/ccl_entries.csv", "eccn")
    return {
        "places": places, "rare places": [p for p in places if p not in used_places],
        "items": [i for i in items if i in used_items], "rare items": [i for i in items if i not in used_items],
    }


def conditions(n, words):
    chance = random.Random(1)
    made = []
    for i in range(n):
        kind = "neither" if i % 10 == 0 else "destination" if i % 2 else "item"
        if kind == "neither":
            when = {"origin": chance.sample(words["rare places"], 2), "transaction_type": ["reexport"]}
        elif kind == "destination":
            when = {"destination": chance.sample(words["places"], 3), "item.eccn": [chance.choice(words["rare items"])]}
        else:
            when = {"item.eccn": [chance.choice(words["items"])], "destination": chance.sample(words["rare places"], 3)}
        made.append(when)
    return sorted(made, key=lambda when: [sorted(values) for values in when.values()])


def quoted(values):
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def note(i):
    """A text of NOTE bytes that no other rule has."""
    return "".join(f"  note: {hashlib.shake_128(str(i).encode()).hexdigest(NOTE // 2)}\n" for _ in range(NOTE > 0))


def write_packs(n, words, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BASE, folder)
    for number, start in enumerate(range(0, n, OF_A_FILE)):
        with open(os.path.join(folder, "us-ear", "rules", f"990-synthetic-{number:03}.yaml"), "w") as file:
            for i, when in enumerate(conditions_of[n][start:start + OF_A_FILE], start):
                what = ", ".join(f"{name}: {quoted(values)}" for name, values in when.items())
                file.write(f"- id: ear.synthetic.{i}\n  kind: requirement\n  cite: 15 CFR 738.4(a)\n  title: Synthetic {i}\n"
                           f"  authority: BIS\n  reason: RS\n  label: RS\n{note(i)}  when: {{ {what} }}\n\n")


def seal(n, words):
    """The store of n rules more, or None and why."""
    folder, path = bench.out(f"rules-{n}"), bench.out(f"rules-{n}.mdb")
    conditions_of[n] = conditions(n, words)
    write_packs(n, words, folder)
    began = time.monotonic()
    try:
        done = subprocess.run([bench.program("pratique"), "compile", *(os.path.join(folder, p) for p in
                                                                       ("us", "us-ear", "us-itar")), "-o", path],
                              capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, f"not sealed within {LIMIT:g} s"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else "compile failed"
    return path, f"sealed in {time.monotonic() - began:.1f} s"


def decide(path):
    """bench/decide over a store: microseconds of processor time of a decision, simple requests and all."""
    subprocess.run(bench.pinned(bench.CLIENT_CORE, [bench.program("bench/decide"), path]), check=True, cwd=bench.ROOT,
                   stdout=subprocess.DEVNULL, timeout=600,
                   env={**os.environ, "BENCH_ROUNDS": "3", "BENCH_RANDOM": os.environ.get("BENCH_RANDOM", "1000"),
                        "BENCH_SHIPMENTS": "1", "BENCH_ONLY": "simple"})
    with open(bench.out("decide.json")) as file:
        parts = json.load(file)["parts"]
    return parts["simple"]["microseconds"]


def run():
    report = bench.Report("rules", __doc__.splitlines()[0])
    words = vocabulary()
    kept = bench.out("decide.json")
    saved = open(kept).read() if os.path.exists(kept) else None
    stores = {}
    for n in SIZES:
        path, told = seal(n, words)
        report.note(f"{n:>9,} rules more: {told}" + (f", {os.path.getsize(path):,} bytes" if path else ""))
        if path:
            stores[n] = path
        else:
            report.skip(f"{n:,} rules: {told}")
    results = bench.interleaved(list(stores), lambda n: decide(stores[n]), max(3, min(bench.ROUNDS, 5)))
    report.head("microseconds of a decision, simple requests")
    medians = {}
    for n in stores:
        medians[n] = report.row(f"{n:,} rules more: median", [r["median"] for r in results[n]], digits=2)
        report.row(f"{n:,} rules more: p99", [r["p99"] for r in results[n]], digits=2)
    sizes = sorted(stores)
    if 1000 in stores and sizes[-1] > 1000:
        most = sizes[-1]
        ratio = report.ratio(f"{most:,} over 1,000", [r["median"] for r in results[most]],
                             [r["median"] for r in results[1000]])
        each = (os.path.getsize(stores[most]) - os.path.getsize(stores[1000])) / (most - 1000)
        report.target(f"{most:,} rules against 1,000" + ("" if most == 1000000 else " (asked for: 1,000,000)"), ratio, 5,
                      below=True, aim=1.3)
        report.target("bytes of the store a rule", each, 400, below=True)
    bench.curve("rules", "One decision in process, simple requests", "synthetic rules beside the US packs",
                "microseconds, median", {"median": [(max(n, 100), medians[n]) for n in sizes]}, logx=True)
    if saved is not None:
        with open(kept, "w") as file:
            file.write(saved)
    if os.environ.get("BENCH_KEEP") != "1":
        for path in stores.values():
            os.remove(path)
    report.close()


conditions_of = {}
bench.main(run)
