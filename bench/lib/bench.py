"""What the comparisons of bench/*.py share: servers on given processors, loads, rounds, tables, JSON and curves.

A comparison starts every server it compares, once, and then goes round: in each round each of them is loaded in turn, in
the reverse order every other round, and only one at a time. So what the machine does meanwhile strikes all alike, and the
ratio of two is taken within a round (paired) before the median is taken over rounds.

Environment:
  BUILD          which build (default release: others do not count)
  BENCH_ROUNDS   rounds (default 11)
  BENCH_SECONDS  of each measurement (default 1)
  STORE          a sealed store (default: the US packs of rules/, sealed into build/bench/us.mdb)
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.environ.get("PRATIQUED") or os.path.join(ROOT, "build", os.environ.get("BUILD", "release"), "x"))
OUT = os.path.join(ROOT, "build", "bench")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1"))
WARM = 0.3
TICK = os.sysconf("SC_CLK_TCK")
DECIDE = "/pratique.v1.DecisionService/Decide"
SERVER_CORE, CLIENT_CORE = 0, 1


def program(name):
    return os.path.join(BUILD, name)


def out(name):
    os.makedirs(OUT, exist_ok=True)
    return os.path.join(OUT, name)


def pinned(core, command):
    """The command on one processor; on all of them for None."""
    return command if core is None else ["taskset", "-c", str(core)] + command


# ---- what is sent -------------------------------------------------------------------------------------------------

def store():
    path = os.environ.get("STORE")
    if path:
        return path
    path = out("us.mdb")
    packs = [os.path.join(ROOT, "rules", name) for name in ("us", "us-ear", "us-itar")]
    subprocess.run([program("pratique"), "compile", *packs, "-o", path], check=True, stdout=subprocess.DEVNULL)
    return path


SHIPMENTS = 10000


def bodies(part="all"):
    """A file of requests as gRPC frames: see bench/tools/bodies.c."""
    path, n = out(f"bodies-{part}.bin"), SHIPMENTS if part == "shipments" else 0
    with open(path, "wb") as file:
        subprocess.run([program("bench/tools/bodies"), store_path(), str(n), part,
                        os.path.join(ROOT, "bench", "shipments.json")], check=True, stdout=file,
                       stderr=subprocess.DEVNULL)
    return path


_store = None


def store_path():
    global _store
    if _store is None:
        _store = store()
    return _store


def frames_of(path):
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        length = 5 + int.from_bytes(data[at + 1:at + 5], "big")
        found.append(data[at:at + length])
        at += length
    return found


def write_frame(name, frame):
    path = out(name)
    with open(path, "wb") as file:
        file.write(frame)
    return path


# ---- servers ------------------------------------------------------------------------------------------------------

class Server:
    """A running server: its address, its process. Ends with stop()."""

    running = []

    def __init__(self, name, command, core, ready="stdout", env=None):
        self.name = name
        self.log = open(out(f"log-{re.sub('[^a-z0-9]+', '-', name)}"), "w+")
        began = time.monotonic()
        if ready == "fd":
            read, write = os.pipe()
            command = command + ["--ready-fd", str(write)]
            self.process = subprocess.Popen(pinned(core, command), pass_fds=[write], stdout=self.log, stderr=self.log,
                                            env={**os.environ, **(env or {})})
            os.close(write)
            source = os.fdopen(read)
        else:
            self.process = subprocess.Popen(pinned(core, command), stdout=subprocess.PIPE, stderr=self.log, text=True,
                                            env={**os.environ, **(env or {})})
            source = self.process.stdout
        Server.running.append(self)
        self.address = source.readline().strip()
        self.ready_ms = (time.monotonic() - began) * 1000
        if not self.address:
            self.log.seek(0)
            sys.exit(f"{name} did not start: {self.log.read()}")

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self in Server.running:
            Server.running.remove(self)
        self.log.close()

    @classmethod
    def stop_all(cls):
        for server in list(cls.running):
            server.stop()


def ours(threads=1, core=SERVER_CORE, constant=None, listen="127.0.0.1:0", name=None, more=()):
    """pratiqued; with `constant`, our own floor: the same server with a Decide that answers the bytes of that file."""
    path = program("bench/floor/pratiqued_constant" if constant else "pratiqued")
    command = [path, "--store", store_path(), "--listen", listen, "--shards", str(threads), "--log-level", "warn", *more]
    return Server(name or ("own floor" if constant else "pratiqued"), command, core, "fd",
                  {"BENCH_REPLY": constant} if constant else None)


def plain(reply, threads=1, core=SERVER_CORE, name="plain floor"):
    """The plain floor: an ordinary empty server on gRPC C core."""
    return Server(name, [program("bench/floor/plain"), "127.0.0.1:0", reply, str(threads)], core)


def typical(path, save="reply.bin"):
    """Of a file of bodies: ask each once. The result of `sizes`, with the reply of median size in a file."""
    server = ours(name="pratiqued for sizes")
    result = client("sizes", server.address, path, save=out(save), core=CLIENT_CORE, limit=300)
    server.stop()
    if result["refused"]:
        sys.exit(f"{result['refused']} of {result['n']} requests are refused: nothing to be measured with")
    result["reply"] = out(save)
    return result


# ---- loads --------------------------------------------------------------------------------------------------------

def client(mode, address, file, core=CLIENT_CORE, limit=None, **options):
    """One run of bench/client; its JSON."""
    command = [program("bench/client"), mode, address, file] + [f"{k}={v}" for k, v in options.items()]
    seconds = limit or 15 + float(options.get("seconds", 2)) + float(options.get("warm", 0.5))
    done = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(f"client {mode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def h2load(address, body, connections, streams, seconds=SECONDS, core=CLIENT_CORE, path=DECIDE, log=None):
    """h2load in a closed loop with one body; requests a second, and of `log` the latencies in microseconds."""
    command = ["h2load", "-t", "1", "-c", str(connections), "-m", str(streams), "-D", f"{int(seconds * 1000)}ms",
               f"--warm-up-time={int(WARM * 1000)}ms", "-d", body, "-H", "content-type: application/grpc", "-H",
               "te: trailers"]
    if log:
        if os.path.exists(log):
            os.remove(log)
        command.append(f"--log-file={log}")
    done = subprocess.run(pinned(core, command + [f"http://{address}{path}"]), capture_output=True, text=True,
                          timeout=seconds + 30)
    rate = re.search(r"finished in .*?, ([0-9.]+) req/s", done.stdout)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
    if not rate or not counts:
        raise RuntimeError(f"h2load: {done.stdout}{done.stderr}")
    if int(counts[2]) or int(counts[3]):
        raise RuntimeError(f"h2load: {counts[0]}")
    result = {"per_second": float(rate[1]), "answered": int(counts[1])}
    if log:
        with open(log) as file:
            times = sorted(int(line.split("\t")[2]) for line in file)
        os.remove(log)
        result["us"] = {f"p{p}": percentile(times, p) for p in (50, 90, 99)}
    return result


def percentile(ordered, percent):
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def with_cpu(server, load):
    """Run `load`; its result with the server's processor time a call, warm-up included in both as far as it is known."""
    before = server.cpu()
    result = load()
    result["server_cpu_s"] = server.cpu() - before
    return result


def interleaved(names, measure, rounds=ROUNDS):
    """measure(name) for each name in each round, the order reversed every other round: {name: [result, ...]}."""
    results = {name: [] for name in names}
    for number in range(rounds):
        order = list(names) if number % 2 == 0 else list(reversed(names))
        for name in order:
            results[name].append(measure(name))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


# ---- figures ------------------------------------------------------------------------------------------------------

def spread(values):
    ordered = sorted(values)
    return {"n": len(ordered), "median": statistics.median(ordered), "min": ordered[0], "max": ordered[-1],
            "q1": percentile(ordered, 25), "q3": percentile(ordered, 75)}


def paired(over, under):
    """Ratios within rounds."""
    return spread([a / b if b else float("inf") for a, b in zip(over, under)])


class Report:
    """A comparison's table on standard output and its JSON in build/bench/NAME.json."""

    def __init__(self, name, title):
        self.name = name
        self.data = {"name": name, "title": title, "date": time.strftime("%Y-%m-%d %H:%M"), "cpus": os.cpu_count(),
                     "load_before": os.getloadavg()[0], "rounds": ROUNDS, "seconds": SECONDS,
                     "series": {}, "ratios": {}, "targets": [], "notes": []}
        print(f"{title}\n{ROUNDS} rounds of {SECONDS:g} s each; load average before {os.getloadavg()[0]:.1f}, "
              f"{os.cpu_count()} processors")

    def head(self, unit=""):
        print(f"\n{unit:<46} {'median':>10} {'min':>10} {'q1':>10} {'q3':>10} {'max':>10}")

    def row(self, name, values, scale=1.0, digits=0):
        figures = spread([v * scale for v in values])
        self.data["series"][name] = {"values": values, **figures}
        print(f"{name:<46} " + " ".join(f"{figures[k]:>10.{digits}f}" for k in ("median", "min", "q1", "q3", "max")))
        return figures["median"]

    def ratio(self, name, over, under):
        figures = paired(over, under)
        self.data["ratios"][name] = figures
        print(f"{name:<46} " + " ".join(f"{figures[k]:>10.3f}" for k in ("median", "min", "q1", "q3", "max")))
        return figures["median"]

    def note(self, text):
        self.data["notes"].append(text)
        print(text)

    def target(self, what, value, bound, below=False, aim=None, unit=""):
        """`reached` when the value is at least the bound (below: at most)."""
        reached = value <= bound if below else value >= bound
        sign = "<=" if below else ">="
        aimed = f", aim {aim:g}{unit}" if aim is not None else ""
        self.data["targets"].append({"what": what, "value": value, "bound": bound, "below": below, "aim": aim,
                                     "reached": reached})
        print(f"{'reached' if reached else 'NOT REACHED':<12} {what}: {value:.4g}{unit}, wanted {sign} "
              f"{bound:g}{unit}{aimed}")

    def skip(self, what):
        self.data.setdefault("skipped", []).append(what)
        print(f"skipped      {what}")

    def close(self):
        self.data["load_after"] = os.getloadavg()[0]
        with open(out(f"{self.name}.json"), "w") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")
        print(f"\nload average after {self.data['load_after']:.1f}; written: build/bench/{self.name}.json")


def curve(name, title, xlabel, ylabel, series, logx=False, logy=False):
    """series {label: [(x, y), ...]} as build/bench/NAME.svg, by gnuplot; without gnuplot a line says so."""
    if not shutil.which("gnuplot"):
        print("no curve: gnuplot is not installed")
        return
    script = [f'set terminal svg size 760,460 font "sans,12" background "white"', f'set output "{out(name + ".svg")}"',
              f'set title "{title}"', f'set xlabel "{xlabel}"', f'set ylabel "{ylabel}"', "set grid",
              "set key outside bottom center horizontal"]
    script += ["set logscale x"] if logx else []
    script += ["set logscale y"] if logy else []
    series = {label: [p for p in points if p[1] > 0] for label, points in series.items()}
    series = {label: points for label, points in series.items() if points}
    if not series:
        print("no curve: nothing was measured")
        return
    blocks, plots = [], []
    for number, (label, points) in enumerate(series.items()):
        blocks.append(f"$d{number} << EOD\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nEOD")
        plots.append(f'$d{number} using 1:2 with linespoints lw 2 pt 7 ps 0.5 title "{label}"')
    text = "\n".join(blocks + script) + "\nplot " + ", ".join(plots) + "\n"
    subprocess.run(["gnuplot"], input=text, text=True, check=True, timeout=30)
    print(f"drawn: build/bench/{name}.svg")


def main(run):
    """Run a comparison, and whatever happens, leave no server behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run()
    finally:
        Server.stop_all()
