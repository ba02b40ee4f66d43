#!/usr/bin/env python3
"""Against Cerbos, one decision a request: the same client, the same connections, each server on one core.

By the own client on bare HTTP/2, with realistic shipments in turn (Cerbos: its one request), and by h2load with one case.
The targets look at the first: an evaluator that keeps state between requests is flattered by one request again and again.
bench/peers/cerbos/README.md says how it is installed and how its policies compare. Looked for as BENCH_CERBOS, on the
PATH, and in build/peers.
"""
import glob
import os
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bench

CHECK = "/cerbos.svc.v1.CerbosService/CheckResources"
PEER = os.path.join(bench.ROOT, "bench", "peers", "cerbos")
FACTS = {
    "destination": "TD", "region": "other", "regime": "EAR", "eccn": "6B002", "end_use": "civil", "value_usd": 10000.0,
    "screened": True, "hits": [], "red_flags": [],
    "parties": [{"role": "end_user", "country": "TD", "lists": [], "military_end_user": False,
                 "military_intelligence_end_user": False}],
}


def find():
    found = [os.environ.get("BENCH_CERBOS"), shutil.which("cerbos")]
    found += glob.glob(os.path.join(bench.ROOT, "build", "peers", "node_modules", "@cerbos", "cerbos-linux-*", "cerbos-*"))
    return next((path for path in found if path and os.access(path, os.X_OK)), None)


# ---- its request, in protobuf by hand ----

def varint(number):
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def field(number, payload):
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def value(of):
    """google.protobuf.Value."""
    if isinstance(of, bool):
        return varint(4 << 3) + varint(of)
    if isinstance(of, float):
        return varint(2 << 3 | 1) + struct.pack("<d", of)
    if isinstance(of, str):
        return field(3, of)
    if isinstance(of, dict):
        return field(5, attributes(1, of))
    return field(6, b"".join(field(1, value(item)) for item in of))


def attributes(number, of):
    return b"".join(field(number, field(1, name) + field(2, value(item))) for name, item in of.items())


def request(n=1):
    """CheckResourcesRequest for n shipments."""
    principal = field(1, "caller") + field(3, "exporter")
    entry = field(4, field(1, "ship") + field(2, field(1, "shipment") + field(3, "1") + attributes(4, FACTS)))
    message = field(1, "1") + field(3, principal) + entry * n
    return b"\0" + struct.pack(">I", len(message)) + message


# ---- servers ----

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cerbos(bench.Server):
    """Cerbos says nothing when it is ready: its port is tried until it answers."""

    def __init__(self, path):
        self.name, self.address = "Cerbos", f"127.0.0.1:{free_port()}"
        self.log = open(bench.out("log-cerbos"), "w+")
        env = {**os.environ, "CERBOS_GRPC_PORT": self.address.split(":")[1], "CERBOS_HTTP_PORT": str(free_port()),
               "CERBOS_POLICIES": os.path.join(PEER, "policies"), "GOMAXPROCS": "1"}
        command = [path, "server", f"--config={os.path.join(PEER, 'config.yaml')}", "--log-level=error"]
        self.process = subprocess.Popen(bench.pinned(bench.SERVER_CORE, command), stdout=self.log, stderr=self.log, env=env)
        bench.Server.running.append(self)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", int(env["CERBOS_GRPC_PORT"])), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("Cerbos did not start")


def run():
    report = bench.Report("cerbos", __doc__.splitlines()[0])
    path = find()
    if not path:
        report.skip("Cerbos is not installed (bench/peers/cerbos/README.md)")
        report.close()
        return
    simple, shipments = bench.bodies("simple"), bench.bodies("shipments")
    sizes = bench.typical(simple, "reply-simple.bin")
    files = {
        "pratiqued": (bench.write_frame("body-simple.bin", bench.frames_of(simple)[sizes["saved"]]), bench.DECIDE),
        "Cerbos": (bench.write_frame("body-cerbos.bin", request()), CHECK),
    }
    servers = {"pratiqued": bench.ours(), "Cerbos": Cerbos(path)}
    report.data["peer"] = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    told = bench.client("sizes", servers["Cerbos"].address, files["Cerbos"][0], path=CHECK)
    report.note(f"Cerbos {report.data['peer']}, replies of {told['median']:.0f} bytes, {told['refused']} refused; "
                f"pratiqued, of {sizes['median']:.0f} bytes")
    if told["refused"]:
        sys.exit("Cerbos refuses the request: nothing to be compared with")

    def load(name, connections, streams, log=None):
        body, method = files[name]
        return bench.with_cpu(servers[name], lambda: bench.h2load(servers[name].address, body, connections, streams,
                                                                  path=method, log=log))

    names = list(servers)
    bodies = {"pratiqued": shipments, "Cerbos": files["Cerbos"][0]}

    def in_turn(name, connections, streams):
        return bench.client("mix", servers[name].address, bodies[name], connections=connections, streams=streams,
                            seconds=bench.SECONDS, warm=bench.WARM, path=files[name][1])

    full = bench.interleaved(names, lambda name: in_turn(name, 8, 32))
    one = bench.interleaved(names, lambda name: in_turn(name, 1, 1))
    same = bench.interleaved(names, lambda name: load(name, 8, 32))
    report.head("8 connections with 32 calls")
    for name in names:
        report.row(f"{name}: requests a second", [r["per_second"] for r in full[name]])
        report.row(f"{name}: p99, microseconds", [r["us"]["p99"] for r in full[name]])
    ratio = report.ratio("requests a second, pratiqued / Cerbos", *([r["per_second"] for r in full[n]] for n in names))
    report.head("1 connection, 1 call at a time")
    for name in names:
        report.row(f"{name}: p50, microseconds", [r["us"]["p50"] for r in one[name]])
    waits = report.ratio("p50, pratiqued / Cerbos", *([r["us"]["p50"] for r in one[n]] for n in names))
    report.head("8 connections with 32 calls, h2load, one case")
    for name in names:
        report.row(f"{name}: requests a second, h2load", [r["per_second"] for r in same[name]])
    report.ratio("h2load, pratiqued / Cerbos", *([r["per_second"] for r in same[n]] for n in names))
    report.target("requests a second against Cerbos", ratio, 15)
    report.target("p50 at concurrency 1 against Cerbos", waits, 0.25, below=True)
    report.close()


bench.main(run)
