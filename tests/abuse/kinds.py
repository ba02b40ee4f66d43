"""The abusers. Each is told where the server is and how much to do, does it, and closes what it opened.

A server may close an abuser's connection at any time: that is what it is for.
"""
import gzip
import socket
import time

from h2 import (ACK, BATCH, CONTINUATION, DATA, DECIDE, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RESET, SETTINGS, WINDOW,
                Connection, Gone, call, frame, head, length, literal, message, settings, window)


class Target:
    """Where, and what is sent: `body` is a small request, `lines` one with very many lines, `tls` an address of TLS."""

    def __init__(self, address, body, tls=None, largest=1 << 20):
        self.address, self.body, self.tls, self.largest = address, body, tls, largest


def field(number, data):
    """A field of bytes, in protobuf's encoding."""
    out, n = bytearray([number << 3 | 2] if number < 16 else [(number << 3 | 2) & 127 | 128, number >> 4]), len(data)
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n]) + data


def until_gone(connections, steps, patience=0.0):
    """Do each of the steps on each connection, as long as it stands. How many it was that the server closed.

    `patience`: seconds in which the server is expected to close.
    """
    gone = set()
    for step in steps:
        for i, connection in enumerate(connections):
            if i in gone:
                continue
            try:
                step(connection)
            except Gone:
                gone.add(i)
    end = time.monotonic() + patience
    for i, connection in enumerate(connections):
        while i not in gone and time.monotonic() < end:
            connection.frames(0.05)
            if connection.lost:
                gone.add(i)
        connection.close()
    return len(gone)


def rapid_reset(target, n):
    """A call and its reset in one go, without end."""
    def step(connection):
        out = b""
        for _ in range(20):
            stream = connection.stream()
            out += call(stream, target.body) + frame(RESET, 0, stream, b"\0\0\0\x08")
        connection.send(out)
        connection.drain()
        if connection.lost:
            raise Gone
    return until_gone([Connection(target.address) for _ in range(4)], [step] * (n // 80), 20)


def slow_headers(target, n):
    """Headers, a byte at a time, on many connections."""
    connections = [Connection(target.address) for _ in range(n)]
    data = frame(HEADERS, END_HEADERS | END_STREAM, 1, head())
    return until_gone(connections, [lambda c, i=i: (c.send(data[i:i + 1]), time.sleep(0.05 / n)) for i in range(30)])


def half_open(target, n):
    """Connections that say nothing, or half of the preface."""
    connections = [Connection(target.address, greet=None) for _ in range(n)]
    return until_gone(connections, [lambda c: c.send(PREFACE[:10]) if id(c) % 3 else None], 30)


def half_tls(target, n):
    """Half of a TLS handshake."""
    hello = bytes.fromhex("16030100ff010000fb0303") + bytes(40)
    connections = [Connection(target.tls, greet=None) for _ in range(n)]
    return until_gone(connections, [lambda c: c.send(hello)], 20)


def large_metadata(target, n):
    """Calls with a megabyte of metadata."""
    block = head(DECIDE, *((b"x-large-%d" % i, b"v" * 8000) for i in range(128)))
    parts = [block[i:i + 16384] for i in range(0, len(block), 16384)]

    def step(connection):
        stream = connection.stream()
        connection.send(frame(HEADERS, 0, stream, parts[0]) + b"".join(
            frame(CONTINUATION, END_HEADERS if part is parts[-1] else 0, stream, part) for part in parts[1:]) +
            frame(DATA, END_STREAM, stream, message(target.body)))
        connection.drain()
        if connection.lost:
            raise Gone
    return until_gone([Connection(target.address) for _ in range(4)], [step] * (n // 4))


def endless_metadata(target, n):
    """Headers that never end: small ones, megabyte after megabyte."""
    piece = b"".join(literal(b"x%d" % i, b"v" * 100) for i in range(140))[:16000]
    connections = [Connection(target.address) for _ in range(4)]
    for connection in connections:
        connection.send(frame(HEADERS, 0, 1, head()))
    return until_gone(connections, [lambda c: c.send(frame(CONTINUATION, 0, 1, piece) * 8)] * (n // (4 * 8 * 16000)), 20)


def endless_text(target, n):
    """One header whose value never ends."""
    connections = [Connection(target.address) for _ in range(4)]
    for connection in connections:
        connection.send(frame(HEADERS, 0, 1, head() + b"\0" + length(1) + b"x" + length(1 << 30)))
    return until_gone(connections, [lambda c: c.send(frame(CONTINUATION, 0, 1, b"v" * 16384) * 8)] * (n // (4 * 8 * 16384)), 20)


def pings(target, n):
    """Pings, and nobody reads the answers."""
    return until_gone([Connection(target.address, receive_buffer=2048) for _ in range(4)],
                      [lambda c: c.send(frame(PING, payload=b"12345678") * 500)] * (n // 2000))


def many_settings(target, n):
    """Settings, and nobody reads that they were taken."""
    return until_gone([Connection(target.address, receive_buffer=2048) for _ in range(4)],
                      [lambda c: c.send(settings(window=65535) * 500)] * (n // 2000), 20)


def empty_frames(target, n):
    """DATA without data, on a call that does not end."""
    connections = [Connection(target.address) for _ in range(4)]
    for connection in connections:
        connection.send(frame(HEADERS, END_HEADERS, 1, head()))
    return until_gone(connections, [lambda c: c.send(frame(DATA, 0, 1) * 500)] * (n // 2000), 20)


def no_window(target, n):
    """Answers that may not be sent: windows of nothing, then of one byte."""
    def begin(connection):
        for _ in range(n // 8):
            connection.send(call(connection.stream(), target.body))
        connection.drain(0.05)

    def one_byte(connection):
        connection.send(b"".join(window(stream, 1) for stream in range(1, connection.next, 2)))
        connection.drain()
    return until_gone([Connection(target.address, settings(window=0)) for _ in range(8)], [begin] + [one_byte] * 20)


def never_read(target, n):
    """Calls whose answers are not read, with all windows open."""
    greet = settings(window=0x7fffffff) + window(0, 0x7fff0000)
    return until_gone([Connection(target.address, greet, receive_buffer=2048) for _ in range(8)],
                      [lambda c: c.send(call(c.stream(), target.body), 0.5)] * (n // 8))


def many_streams(target, n):
    """Streams without end on one connection, each with its message half sent."""
    def step(connection):
        stream = connection.stream()
        connection.send(frame(HEADERS, END_HEADERS, stream, head()) + frame(DATA, 0, stream, message(target.body)[:-4]))
        if stream % 64 == 1:
            connection.drain()
        if connection.lost:
            raise Gone
    return until_gone([Connection(target.address)], [step] * n)


def many_connections(target, n):
    """Connections that come, ask or do not ask, and go."""
    for i in range(n):
        connection = Connection(target.address)
        if i % 2:
            connection.send(call(1, target.body))
        if i % 16 == 1:
            connection.drain(0.05)
        connection.close()
    return 0


def held_connections(target, n):
    """Very many connections at once, each of which has asked once."""
    connections, refused = [], 0
    for _ in range(n):
        try:
            connections.append(Connection(target.address))
            connections[-1].send(call(1, target.body))
        except (OSError, Gone):
            refused += 1
    return refused + until_gone(connections, [lambda c: c.drain()])


def deep(target, n):
    """A message nested as deeply as it goes, in fields that are known and not."""
    nested = b""
    while len(nested) < 60000:
        nested = field(100, nested)
    bodies = [field(8, nested), nested, field(15, field(1, b"x") + field(2, field(5, nested)))]
    connections = [Connection(target.address) for _ in range(2)]
    return until_gone(connections, [lambda c, i=i: c.ask(bodies[i % 3]) for i in range(n // 2)])


def repeated(target, n):
    """As many elements as fit into a message, of each list."""
    bodies = [field(tag, b"") * (target.largest // 2 // (2 if tag < 16 else 3)) for tag in (7, 9, 10, 15, 16, 17)]
    connections = [Connection(target.address) for _ in range(2)]
    return until_gone(connections, [lambda c, i=i: c.ask(bodies[i % len(bodies)]) for i in range(n // 2)])


def bombs(target, n):
    """Messages that unpack to two hundred times their size."""
    packed = message(gzip.compress(bytes(200 << 20 if n > 100 else 20 << 20), 9), True)[:target.largest]

    def step(connection):
        stream = connection.stream()
        connection.send(frame(HEADERS, END_HEADERS, stream, head(DECIDE, (b"grpc-encoding", b"gzip"))))
        for at in range(0, len(packed), 16384):
            connection.send(frame(DATA, 0, stream, packed[at:at + 16384]))
            connection.drain()
        connection.send(frame(DATA, END_STREAM, stream))
        if not connection.drain(0.1):
            raise Gone
    return until_gone([Connection(target.address).welcome() for _ in range(2)], [step] * (n // 2))


def batches(target, n):
    """The largest batches, from many clients at once."""
    one = target.body + field(10, field(1, b"buyer") + field(3, b"n" * 900) + b"\x30\x02")
    body = field(1, one) * min(1000, (target.largest - 8) // len(field(1, one)))
    connections = [Connection(target.address).welcome() for _ in range(n)]
    for connection in connections:
        connection.pending = call(1, body, BATCH)
    rest = set(connections)
    end = time.monotonic() + 120
    done = set()
    while rest - done and time.monotonic() < end:
        for connection in rest - done:
            try:
                if connection.pending:
                    try:
                        sent = connection.socket.send(connection.pending[:65536], socket.MSG_DONTWAIT)
                        connection.pending = connection.pending[sent:]
                    except BlockingIOError:
                        pass
                for kind, flags, stream, payload in connection.frames():
                    if kind == DATA and payload:
                        connection.send(window(0, len(payload)) + (b"" if flags & END_STREAM else window(1, len(payload))))
                    if kind == SETTINGS and not flags & ACK:
                        connection.send(frame(SETTINGS, ACK))
                    connection.answer = getattr(connection, "answer", 0) + (len(payload) if kind == DATA else 0)
                    if stream == 1 and (kind == RESET or kind in (DATA, HEADERS) and flags & END_STREAM):
                        done.add(connection)
                if connection.lost:
                    done.add(connection)
            except (OSError, Gone):
                done.add(connection)
        time.sleep(0.002)
    unanswered = sum(getattr(connection, "answer", 0) < 1000 for connection in connections)
    if unanswered:
        raise Gone(f"{unanswered} batches were not answered")
    return until_gone(connections, [])


def half_message(target, n):
    """Half of a large message on each stream, and then nothing more."""
    def step(connection):
        stream = connection.stream()
        part = message(bytes(target.largest - 8))[:16384]
        connection.send(frame(HEADERS, END_HEADERS, stream, head()) + frame(DATA, 0, stream, part), 0.2)
        connection.drain()
    connections = [Connection(target.address) for _ in range(4)]
    return until_gone(connections, [step] * (n // 4) + [lambda c: c.drain(0.2)])


def hoard(target, n):
    """All but the end of the largest message, on as many streams as are allowed."""
    part = message(bytes(target.largest - 8))[:-1024]
    connections = [Connection(target.address) for _ in range(n // 64)]

    def begin(connection):
        connection.room, connection.at, connection.spare = {}, {}, 65535
        for _ in range(64):
            stream = connection.stream()
            connection.send(frame(HEADERS, END_HEADERS, stream, head()), 0.5)
            connection.room[stream], connection.at[stream] = 65535, 0

    def more(connection):
        """As far as the windows go that the server gives."""
        for kind, flags, stream, payload in connection.frames(0.01):
            if kind == SETTINGS and not flags & ACK:
                connection.send(frame(SETTINGS, ACK))
            if kind == WINDOW and stream == 0:
                connection.spare += int.from_bytes(payload, "big")
            elif kind == WINDOW and stream in connection.room:
                connection.room[stream] += int.from_bytes(payload, "big")
            elif kind == RESET:
                connection.room.pop(stream, None)
        for stream in list(connection.room):
            at = connection.at[stream]
            size = min(16384, connection.room[stream], connection.spare, len(part) - at)
            if size > 0:
                connection.send(frame(DATA, 0, stream, part[at:at + size]), 0.5)
                connection.at[stream], connection.spare = at + size, connection.spare - size
                connection.room[stream] -= size
        if connection.lost:
            raise Gone
    return until_gone(connections, [begin] + [more] * 80)


def reset_all(target, n):
    """As many streams as are allowed, half sent, and then a reset of each; again and again."""
    def begin(connection):
        connection.send(b"".join(frame(HEADERS, END_HEADERS, stream, head()) +
                                 frame(DATA, 0, stream, message(target.body)[:-2])
                                 for stream in (connection.stream() for _ in range(200))))
        connection.drain()

    def end(connection):
        connection.send(b"".join(frame(RESET, 0, stream, b"\0\0\0\x08")
                                 for stream in range(connection.next - 400, connection.next, 2)))
        if not connection.drain():
            raise Gone
    return until_gone([Connection(target.address) for _ in range(2)], [begin, end] * (n // 400))


def largest(target, n):
    """The largest message that is taken, again and again: a thousand lines, decided one by one, and texts up to the bound."""
    line = field(9, field(1, field(1, b"machine")) + field(2, field(1, b"5")))
    body = target.body + line * 1000
    party = field(10, field(1, b"buyer") + field(3, b"n" * 900) + b"\x30\x02")
    body += party * min(90, (target.largest - 8 - len(body)) // len(party))
    connections = [Connection(target.address) for _ in range(2)]
    return until_gone(connections, [lambda c: c.ask(body)] * (n // 2))


# Whom the server closes, all of their connections; how many they have, None: as many as they are told.
CLOSED = {"rapid_reset": 4, "endless_metadata": 4, "endless_text": 4, "many_settings": 4, "empty_frames": 4,
          "half_open": None, "half_tls": None}

# name: the function, how much of it a test does, and how much the bench
ALL = {
    "rapid_reset": (rapid_reset, 16000, 40000),
    "slow_headers": (slow_headers, 60, 400),
    "half_open": (half_open, 1500, 5000),
    "half_tls": (half_tls, 200, 1000),
    "large_metadata": (large_metadata, 16, 80),
    "endless_metadata": (endless_metadata, 24 << 20, 200 << 20),
    "endless_text": (endless_text, 48 << 20, 400 << 20),
    "pings": (pings, 20000, 200000),
    "many_settings": (many_settings, 100000, 1000000),
    "empty_frames": (empty_frames, 100000, 1000000),
    "no_window": (no_window, 800, 2000),
    "never_read": (never_read, 4000, 40000),
    "many_streams": (many_streams, 10000, 10000),
    "many_connections": (many_connections, 1000, 10000),
    "held_connections": (held_connections, 400, 5000),
    "deep": (deep, 12, 60),
    "repeated": (repeated, 12, 60),
    "bombs": (bombs, 4, 40),
    "batches": (batches, 20, 100),
    "half_message": (half_message, 400, 1000),
    "hoard": (hoard, 256, 1024),
    "reset_all": (reset_all, 2000, 20000),
    "largest": (largest, 6, 40),
}
