"""A server that turns down the first attempt of every call, and hands the others on: clients must try again.

  clients_relay.py TARGET SOCKET     TARGET: the real server; "ready" is printed once SOCKET is listened on
"""

import signal
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "pratique.v1.DecisionService"


class Relay(grpc.GenericRpcHandler):
    def __init__(self, channel):
        self.channel = channel

    def service(self, call):
        # Clients say with every attempt but the first how many went before.
        again = any(key == "grpc-previous-rpc-attempts" for key, _ in call.invocation_metadata)
        stream = call.method == f"/{SERVICE}/StreamDecide"
        onward = (self.channel.stream_stream if stream else self.channel.unary_unary)(call.method)

        def ended(error, context):
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())

        def answer(request, context):
            if not again:
                context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
            try:
                return onward(request, timeout=context.time_remaining())
            except grpc.RpcError as error:
                ended(error, context)

        def answers(requests, context):
            if not again:
                context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
            try:
                yield from onward(requests, timeout=context.time_remaining())
            except grpc.RpcError as error:
                ended(error, context)

        if stream:
            return grpc.stream_stream_rpc_method_handler(answers)
        return grpc.unary_unary_rpc_method_handler(answer)


def main():
    target, socket = sys.argv[1:]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with grpc.insecure_channel(target) as channel:
        server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Relay(channel)])
        server.add_insecure_port(socket)
        server.start()
        print("ready", flush=True)
        ended.wait()
        server.stop(0).wait()


if __name__ == "__main__":
    main()
