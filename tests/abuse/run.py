#!/usr/bin/env python3
"""Abusers against a server that runs: run.py ADDRESS PID [--tls ADDRESS] [--only NAME,...] [--times N] [--any-memory];
exits 1 where one got through."""
import argparse
import sys

import beside
import kinds
from h2 import Connection
from kinds import field

# What an abuser may make the server take for itself, and what may stay of it: an allocator keeps some of its pages.
PEAK = 160 << 20
SLACK = 24 << 20


def small():
    """A machine to Far, for 50, from the law of the scripts of the command line."""
    party = field(10, field(1, b"end_user") + b"\x30\x02")
    return (field(1, b"2026-06-01") + field(3, b"export") + field(6, b"FAR") + field(8, field(1, b"machine")) + party +
            field(13, field(1, b"50")))


def faults(name, told, amount, any_memory):
    if told["wrong"]:
        yield f"{told['wrong']} answers beside it were not the right ones"
    if told["lost"]:
        yield f"{len(told['lost'])} answers beside it were lost: {told['lost'][0]}"
    if told["failed"]:
        yield f"it could not do what it does: {told['failed']}"
    if not any_memory and told["peak"] - told["before"] > PEAK:
        yield f"memory rose from {told['before'] >> 20} to {told['peak'] >> 20} MiB"
    if not any_memory and told["after"] - told["before"] > SLACK:
        yield f"memory was {told['before'] >> 20} MiB before and is {told['after'] >> 20} MiB after"
    if name in kinds.CLOSED and told["closed"] < (kinds.CLOSED[name] or amount):
        yield f"the server closed {told['closed']} of its connections only"
    if told["files_after"] > told["files_before"]:
        yield f"{told['files_after'] - told['files_before']} descriptors are left"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("pid", type=int)
    parser.add_argument("--tls")
    parser.add_argument("--only", default=",".join(kinds.ALL))
    parser.add_argument("--times", type=float, default=1)
    parser.add_argument("--any-memory", action="store_true", help="of a server whose allocator is a sanitizer's")
    options = parser.parse_args()
    target = kinds.Target(options.address, small(), options.tls)
    wanted = Connection(target.address).ask(target.body)
    if not wanted:
        sys.exit("the server does not answer")
    failed = 0
    for name in options.only.split(","):
        abuser, amount, _ = kinds.ALL[name]
        if abuser is kinds.half_tls and not target.tls:
            continue
        amount = int(amount * options.times)
        told = beside.run(abuser, target, amount, options.pid, wanted, sys.maxsize if options.any_memory else SLACK)
        print(f"{name:<18} {told['before'] >> 10:>8} KiB before {told['peak'] >> 10:>8} at most {told['after'] >> 10:>8} after; "
              f"{told['closed']} closed; {told['answers']} answers beside it; {told['seconds']:.1f} s", flush=True)
        for fault in faults(name, told, amount, options.any_memory):
            failed += 1
            print(f"FAIL: {name}: {fault}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
