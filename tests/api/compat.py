"""Old clients against this server, and newer ones against it: what docs/api.md says of version 1. Health, too.

  compat.py TARGET RELEASED    RELEASED: proto/released/v1.binpb. An old client knows it alone; a newer one is made of it
                               with fields and values that this server cannot know
"""

import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc.health.v1 import health_pb2, health_pb2_grpc

SECONDS = 20
LATER = 18000
ASKED = {
    "as_of": "2026-03-02",
    "transaction_type": "export",
    "origin": "US",
    "destination": "KH",
    "item": {"eccn": "9A610.x", "kind": "commodity"},
    "end_use": "civil",
}
failures = []


def expect(what, true):
    if not true:
        failures.append(what)
        print(f"FAIL: {what}")


class Client:
    """Messages of a descriptor set, and the method Decide with them."""

    def __init__(self, files, channel):
        self.pool = descriptor_pool.DescriptorPool()
        for file in files:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)
        self.call = channel.unary_unary("/pratique.v1.DecisionService/Decide")

    def message(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName("pratique.v1." + name))()

    def request(self, told=ASKED):
        return json_format.ParseDict(told, self.message("DecideRequest"))

    def decide(self, request):
        answer = self.message("DecideResponse")
        answer.ParseFromString(self.call(request.SerializeToString(), timeout=SECONDS))
        return answer


def newer(files):
    """The same files with later additions: a field in each message, and a value in each enum."""
    result = []
    for file in files:
        copy = descriptor_pb2.FileDescriptorProto.FromString(file.SerializeToString())
        if copy.package == "pratique.v1":
            for message in copy.message_type:
                if len(message.field) > 0:
                    field = message.field.add(name="added_later", number=LATER)
                    field.type, field.label = field.TYPE_STRING, field.LABEL_OPTIONAL
            for enum in copy.enum_type:
                enum.value.add(name=enum.name.upper() + "_ADDED_LATER", number=LATER)
        result.append(copy)
    return result


def violations(error):
    status, bad = status_pb2.Status(), error_details_pb2.BadRequest()
    status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    for detail in status.details:
        if detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    return [(v.field, v.reason) for v in bad.field_violations]


def main():
    target, released = sys.argv[1:]
    with open(released, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    with grpc.insecure_channel(target) as channel:
        old, new = Client(files, channel), Client(newer(files), channel)

        answer = old.decide(old.request())
        expect("an old client gets an answer with its rules and its revision",
               answer.decision.outcome > 0 and len(answer.rules) > 0 and len(answer.revision.digest) == 64)

        request = new.request()
        request.added_later = request.item.added_later = "something"
        heard = new.decide(request)
        expect("fields that the server does not know change nothing",
               heard.SerializeToString() == answer.SerializeToString())
        expect("fields that the server does not fill are empty", heard.added_later == heard.decision.added_later == "")

        request = new.request()
        request.query = LATER
        try:
            new.decide(request)
            expect("a value of an enum that the server does not know is refused", False)
        except grpc.RpcError as error:
            expect("the refusal is INVALID_ARGUMENT", error.code() == grpc.StatusCode.INVALID_ARGUMENT)
            expect("the refusal names the field: " + str(violations(error)),
                   violations(error) == [("query", "UNKNOWN_ENUM_VALUE")])

        # What a newer server would answer.
        heard.added_later = "something"
        heard.decision.outcome = LATER
        read = old.message("DecideResponse")
        read.ParseFromString(heard.SerializeToString())
        expect("an old client reads a newer answer", read.revision.digest == answer.revision.digest)
        known = old.pool.FindEnumTypeByName("pratique.v1.Outcome").values_by_number
        expect("an outcome that the client does not know is none that it knows", read.decision.outcome not in known)
        expect("and is handed on as it came", read.SerializeToString() == heard.SerializeToString()
               or new.message("DecideResponse").FromString(read.SerializeToString()) == heard)

        health = health_pb2_grpc.HealthStub(channel)
        for service in "", "pratique.v1.DecisionService":
            status = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS).status
            expect(f'health of "{service}" is SERVING', status == health_pb2.HealthCheckResponse.SERVING)
    print(f"{len(failures)} failed" if failures else "compatible")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
