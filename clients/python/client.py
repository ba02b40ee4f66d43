"""Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file."""

import argparse
import json

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from pratique.v1 import batch_pb2, decision_pb2, decision_service_pb2_grpc

# A call that found no server is tried again, within its deadline.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "pratique.v1.DecisionService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def open_channel(args):
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG)), ("grpc.enable_retries", 1)]
    if args.ca is None:
        return grpc.insecure_channel(args.target, options)
    files = [open(path, "rb").read() if path else None for path in (args.ca, args.key, args.cert)]
    return grpc.secure_channel(args.target, grpc.ssl_channel_credentials(*files), options)


def request_of(told):
    return json_format.ParseDict(told, decision_pb2.DecideRequest())


# ---- what is printed ----


def short(enum, number):
    """OUTCOME_REFER of the enum Outcome is REFER."""
    prefix = "".join("_" + c if c.isupper() else c.upper() for c in enum.DESCRIPTOR.name)[1:] + "_"
    return enum.Name(number)[len(prefix) :]


def show_decision(decision, rules):
    print(f"  {short(decision_pb2.Outcome, decision.outcome)} under {decision.jurisdiction} as of {decision.as_of}")
    if decision.outcome == decision_pb2.OUTCOME_NEEDS_INFORMATION:
        best, worst = (short(decision_pb2.Outcome, end) for end in (decision.best, decision.worst))
        print(f"  between {best} and {worst}")
    if decision.review_policy:
        print(f"  review policy: {short(decision_pb2.ReviewPolicy, decision.review_policy)}")
    for requirement in decision.requirements:
        sure = "requires" if requirement.certain else "may require"
        print(f"  {sure} {requirement.authority} {requirement.reason}: {rules[requirement.rule.index].cite}")
    for available in decision.available:
        print(f"  available {available.name}: {rules[available.rule.index].cite}")
    for missing in decision.missing:
        print(f"  missing {missing.name}: {missing.question}")
    for warning in decision.warnings:
        print(f"  warning: {warning.text}")


def show_status(code, message, details):
    reason = ""
    print(f"  refused {code}: {message}")
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            reason = info.reason
            print(f"  reason {reason}")
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            for violation in bad.field_violations:
                print(f"  field {violation.field}: {violation.description}")
    return reason


def show_error(error):
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    return show_status(error.code().value[0], error.details(), status.details)


def show_results(answer):
    for i, result in enumerate(answer.results):
        print(f"  [{i}]")
        if result.WhichOneof("result") == "decided":
            show_decision(result.decided.decision, answer.rules)
        else:
            show_status(result.error.code, result.error.message, result.error.details)


# ---- the three ways to ask ----


def decide(stub, step, seconds):
    told = dict(step["decide"])
    otherwise = step.get("else_min_revision")
    while True:
        try:
            answer = stub.Decide(request_of(told), timeout=seconds)
        except grpc.RpcError as error:
            # The server is behind. Another one may not be; or older law will do, if whoever asks says so.
            if show_error(error) != "REVISION_NOT_REACHED" or otherwise is None:
                return
            print(f"  asked again for revision {otherwise}")
            told["min_revision"], otherwise = otherwise, None
            continue
        show_decision(answer.decision, answer.rules)
        if "min_revision" in told:
            print(f"  by revision {answer.revision.sequence}")
        # What is missing is named. Whoever knows it is asked; here the scenario knows.
        answers = step.get("answers", {})
        known = [m.name for m in answer.decision.missing if m.name in answers and not answers[m.name].keys() & told.keys()]
        if not known:
            return
        for name in known:
            print(f"  told {name}")
            told.update(answers[name])


def decide_batch(stub, step, seconds):
    batch = batch_pb2.BatchDecideRequest(requests=[request_of(told) for told in step["batch"]])
    show_results(stub.BatchDecide(batch, timeout=seconds))


def decide_stream(stub, step, seconds):
    frames = (batch_pb2.StreamDecideRequest(requests=[request_of(t) for t in frame]) for frame in step["stream"])
    for answer in stub.StreamDecide(frames, timeout=seconds):
        print("  frame")
        show_results(answer)


def main():
    parser = argparse.ArgumentParser(description="Decide a scenario with pratiqued.")
    parser.add_argument("target", help="unix:/run/pratique/pratique.sock or HOST:PORT")
    parser.add_argument("scenario", help="clients/scenario.json")
    parser.add_argument("--ca", help="certificates of who signed the server's; TLS is used if given")
    parser.add_argument("--cert", help="own certificate, for mTLS")
    parser.add_argument("--key", help="its key")
    args = parser.parse_args()
    with open(args.scenario, encoding="utf-8") as file:
        scenario = json.load(file)
    with open_channel(args) as channel:
        stub = decision_service_pb2_grpc.DecisionServiceStub(channel)
        for step in scenario["steps"]:
            print(step["name"])
            for kind, ask in (("decide", decide), ("batch", decide_batch), ("stream", decide_stream)):
                if kind in step:
                    ask(stub, step, scenario["deadline_seconds"])


if __name__ == "__main__":
    main()
