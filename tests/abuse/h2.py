"""HTTP/2 frames by hand, for what no library of clients would send. Plain sockets; headers without a table or Huffman codes."""
import os
import select
import socket
import time

DATA, HEADERS, RESET, SETTINGS, PING, AWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DECIDE = "/pratique.v1.DecisionService/Decide"
BATCH = "/pratique.v1.DecisionService/BatchDecide"


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(**values):
    ids = {"window": 4, "streams": 3, "frame": 5}
    return frame(SETTINGS, payload=b"".join(ids[k].to_bytes(2, "big") + v.to_bytes(4, "big") for k, v in values.items()))


def window(stream, more):
    return frame(WINDOW, stream=stream, payload=more.to_bytes(4, "big"))


def length(n):
    """The length of a text in HPACK: seven bits, then the rest by seven."""
    if n < 127:
        return bytes((n,))
    out, n = [127], n - 127
    while n >= 128:
        out.append(n % 128 + 128)
        n //= 128
    return bytes(out + [n])


def literal(name, value):
    return b"\0" + length(len(name)) + name + length(len(value)) + value


def head(path=DECIDE, *more):
    """The headers of a call. More are pairs of bytes."""
    pairs = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost"),
             (b"te", b"trailers"), (b"content-type", b"application/grpc"), *more]
    return b"".join(literal(*pair) for pair in pairs)


def message(body, compressed=False):
    return bytes((compressed,)) + len(body).to_bytes(4, "big") + body


def call(stream, body, path=DECIDE, *more):
    """A whole call in frames."""
    data, out = message(body), [frame(HEADERS, END_HEADERS, stream, head(path, *more))]
    while len(data) > 16384:
        out.append(frame(DATA, 0, stream, data[:16384]))
        data = data[16384:]
    return b"".join(out) + frame(DATA, END_STREAM, stream, data)


def ready(sock, event, seconds):
    """Wait for an event of poll(); select() takes no descriptor above 1023."""
    poll = select.poll()
    poll.register(sock, event)
    return poll.poll(seconds * 1000)


class Gone(Exception):
    """The server closed the connection."""


class Connection:
    """A connection. `greet`: preface and these settings are sent at once."""

    def __init__(self, address, greet=settings(), receive_buffer=None, timeout=20):
        family, to = (socket.AF_UNIX, address[5:]) if address.startswith("unix:") else (socket.AF_INET, None)
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        host, _, port = address.rpartition(":")
        self.socket.connect(to or (host, int(port)))
        self.next, self.buffer, self.lost, self.welcomed = 1, bytearray(), False, False
        if greet is not None:
            self.send(PREFACE + greet)

    def send(self, data, patience=5):
        """Raises Gone where the server closed, or has taken nothing for `patience` seconds."""
        view = memoryview(data)
        while view:
            if not ready(self.socket, select.POLLOUT, patience):
                raise Gone
            try:
                view = view[self.socket.send(view, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Gone from error

    def stream(self):
        self.next += 2
        return self.next - 2

    def frames(self, wait=0.0):
        """The frames that have come: (kind, flags, stream, payload). `wait`: seconds for the first."""
        while ready(self.socket, select.POLLIN, wait):
            try:
                data = self.socket.recv(1 << 18)
            except OSError:
                data = b""
            self.lost = self.lost or not data
            self.buffer += data
            wait = 0
            if not data or len(self.buffer) > 1 << 22:
                break
        out = []
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            size = int.from_bytes(self.buffer[:3], "big")
            out.append((self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"), bytes(self.buffer[9:9 + size])))
            del self.buffer[:9 + size]
        return out

    def drain(self, seconds=0.0):
        """Read and throw away; give the windows back. False: the connection is gone."""
        end = time.monotonic() + seconds
        while True:
            for kind, flags, stream, payload in self.frames(max(min(end - time.monotonic(), 0.1), 0)):
                if kind == DATA and payload:
                    self.send(window(0, len(payload)) + (b"" if flags & END_STREAM else window(stream, len(payload))))
                elif kind == SETTINGS and not flags & ACK:
                    self.send(frame(SETTINGS, ACK))
            if self.lost or time.monotonic() >= end:
                return not self.lost

    def welcome(self):
        """Take the server's settings: from then on its windows hold a message of a megabyte and more."""
        while not self.welcomed:
            if any(kind == SETTINGS and not flags & ACK for kind, flags, _, _ in self.frames(20)):
                self.send(frame(SETTINGS, ACK))
                self.welcomed = True
            elif self.lost:
                raise Gone
        return self

    def ask(self, body, path=DECIDE, seconds=60.0, *more):
        """A call and its answer: the bytes of the message, b"" where there is none."""
        self.welcome()
        stream, answer, end = self.stream(), bytearray(), time.monotonic() + seconds
        self.send(call(stream, body, path, *more))
        while time.monotonic() < end:
            for kind, flags, of, payload in self.frames(1):
                if kind == SETTINGS and not flags & ACK:
                    self.send(frame(SETTINGS, ACK))
                if kind == PING and not flags & ACK:
                    self.send(frame(PING, ACK, payload=payload))
                if kind == DATA and payload:
                    self.send(window(0, len(payload)) + window(of, len(payload)))
                if of == stream and kind == DATA:
                    answer += payload
                if of == stream and (kind == RESET or kind in (DATA, HEADERS) and flags & END_STREAM):
                    return bytes(answer[5:])
            if self.lost:
                raise Gone
        raise TimeoutError("no answer")

    def close(self):
        self.socket.close()


def memory(pid):
    """Bytes of anonymous memory of a process: what it has taken for itself, without mapped files."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
