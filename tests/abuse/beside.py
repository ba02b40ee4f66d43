"""An abuser, a client with good manners beside it, and the server's memory before, while and after."""
import multiprocessing
import threading
import time

from h2 import Connection, Gone, descriptors, memory

SETTLED = 30  # seconds in which the server may let go of what it held


def behave(address, body, wanted, begun, stop, results):
    """Ask again and again, by a new connection every sixteenth time: each answer must be there, and be the right one."""
    answers, wrong, lost, times, connection = 0, 0, [], [], None
    while not stop.is_set() or answers < 40:
        if len(lost) > 20:
            break
        try:
            if connection is None or answers % 16 == 15:
                if connection is not None:
                    connection.close()
                connection = Connection(address)
            began = time.monotonic()
            got = connection.ask(body)
            times.append(time.monotonic() - began)
            answers += 1
            begun.set()
            wrong += got != wanted
        except (OSError, Gone, TimeoutError) as error:
            lost.append(repr(error))
            connection = None
        time.sleep(0.002)
    results.put({"answers": answers, "wrong": wrong, "lost": lost, "times": times})


class Peak:
    """The most memory that a process has while something runs."""

    def __init__(self, pid):
        self.pid, self.bytes, self.ended = pid, memory(pid), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.01):
            self.bytes = max(self.bytes, memory(self.pid))

    def stop(self):
        self.ended.set()
        self.thread.join()
        return max(self.bytes, memory(self.pid))


def settled(pid, bytes_, files, slack, seconds=SETTLED):
    """Wait until the process has no more than this, and not more descriptors; what it then has."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (memory(pid) > bytes_ + slack or descriptors(pid) > files):
        time.sleep(0.05)
    return memory(pid), descriptors(pid)


def run(abuser, target, amount, pid, wanted, slack):
    """One abuser beside one client. What became of both."""
    files, before = descriptors(pid), memory(pid)
    begun, stop, results = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
    other = multiprocessing.Process(target=behave, args=(target.address, target.body, wanted, begun, stop, results),
                                    daemon=True)
    other.start()
    begun.wait(60)
    peak, began, failed = Peak(pid), time.monotonic(), None
    try:
        closed = abuser(target, amount)
    except (Gone, OSError) as error:
        closed, failed = 0, repr(error)
    took = time.monotonic() - began
    stop.set()
    told = results.get(timeout=100)
    other.join()
    most = peak.stop()
    after, files_after = settled(pid, before, files, slack)
    return {"before": before, "peak": most, "after": after, "files_before": files, "files_after": files_after, "closed": closed,
            "failed": failed, "seconds": took, **told}
