#!/usr/bin/python3
"""Stands between a replica and its publisher, and does what networks, disks and people do.

relay.py PUBLISHER FILE    prints its port; FILE says by a word, looked at with each call, what it does:

  pass       nothing
  damage     flips a bit in the middle of each snapshot
  truncate   ends each snapshot well, half way
  drop       breaks each transfer off after four pieces, more than its longest record
  forge      changes the manifest that it hands on, and not its signature
  silence    tells nothing

Messages are bytes: nothing is generated. Snapshots are cut into pieces of 100 bytes.
"""
import concurrent.futures
import sys
import time

import grpc

SERVICE = "/pratique.v1.ReplicationService/"
PIECE = 100


def same(data):
    return data


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read(message):
    """Fields of a message without fixed-width ones, in order: (number, value)."""
    at, fields = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            fields.append((key >> 3, number()))
        else:
            length = number()
            fields.append((key >> 3, message[at : at + length]))
            at += length
    return fields


def write(fields):
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def mode():
    with open(sys.argv[2], encoding="ascii") as file:
        return file.read().strip()


def pieces(messages):
    """FetchSnapshotResponse: offset 1, total 2, snapshot 3, data 4; in smaller pieces."""
    for message in messages:
        fields = dict(read(message))
        data, offset = fields.get(4, b""), fields.get(1, 0)
        for start in range(0, len(data), PIECE):
            yield offset + start, fields.get(2, 0), fields.get(3, b""), data[start : start + PIECE]


def fetch(request, context):
    upstream = channel.unary_stream(SERVICE + "FetchSnapshot", same, same)(request)
    sent = 0
    try:
        for offset, total, name, data in pieces(upstream):
            what = mode()
            print("piece", what, offset, total, file=sys.stderr, flush=True)
            if what == "damage" and offset <= total // 2 < offset + len(data):
                at = total // 2 - offset
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            if what == "truncate" and offset + len(data) > total // 2:
                return
            if what == "drop" and sent >= 4:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the network is gone")
            yield write([(1, offset), (2, total), (3, name), (4, data)])
            sent += 1
    except grpc.RpcError as error:
        context.abort(error.code(), error.details())


def watch(request, context):
    upstream = channel.unary_stream(SERVICE + "WatchRevisions", same, same)(request)
    context.add_callback(upstream.cancel)
    try:
        for message in upstream:
            while mode() == "silence" and context.is_active():
                time.sleep(0.05)
            if mode() == "forge":
                fields = read(message)
                message = write([(n, v.replace(b'"note":""', b'"note":"x"') if n == 1 else v) for n, v in fields])
            yield message
    except grpc.RpcError as error:
        context.abort(error.code(), error.details())


def report(request, context):
    try:
        return channel.unary_unary(SERVICE + "Report", same, same)(request)
    except grpc.RpcError as error:
        context.abort(error.code(), error.details())


channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)])
server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=20))
server.add_generic_rpc_handlers(
    [
        grpc.method_handlers_generic_handler(
            "pratique.v1.ReplicationService",
            {
                "WatchRevisions": grpc.unary_stream_rpc_method_handler(watch, same, same),
                "FetchSnapshot": grpc.unary_stream_rpc_method_handler(fetch, same, same),
                "Report": grpc.unary_unary_rpc_method_handler(report, same, same),
            },
        )
    ]
)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
