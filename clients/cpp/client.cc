// Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file.
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "pratique/v1/decision_service.grpc.pb.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>

namespace pb = google::protobuf;
namespace v1 = pratique::v1;
using Json = pb::Map<std::string, pb::Value>;
using Rules = pb::RepeatedPtrField<v1::Rule>;
using Stub = v1::DecisionService::Stub;

// A call that found no server is tried again, within its deadline.
static const char service_config[] = R"({
  "methodConfig": [{
    "name": [{"service": "pratique.v1.DecisionService"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})";

struct Options {
  std::string target, scenario, ca, cert, key;
};

static std::string ReadFile(const std::string &path) {
  std::ifstream file(path);
  if (!file) {
    std::cerr << path << ": cannot be read\n";
    std::exit(1);
  }
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

static std::shared_ptr<grpc::Channel> OpenChannel(const Options &options) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(service_config);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 1);
  if (options.ca.empty())
    return grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(options.ca);
  if (!options.cert.empty()) {
    tls.pem_cert_chain = ReadFile(options.cert);
    tls.pem_private_key = ReadFile(options.key);
  }
  return grpc::CreateCustomChannel(options.target, grpc::SslCredentials(tls), arguments);
}

static v1::DecideRequest RequestOf(const pb::Value &told) {
  v1::DecideRequest request;
  std::string text;
  auto status = pb::util::MessageToJsonString(told, &text);
  if (status.ok())
    status = pb::util::JsonStringToMessage(text, &request);
  if (!status.ok()) {
    std::cerr << "scenario: " << status.ToString() << "\n";
    std::exit(1);
  }
  return request;
}

static void SetDeadline(grpc::ClientContext &context, double seconds) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(int(seconds * 1000)));
}

// ---- what is printed ----

// OUTCOME_REFER of the enum Outcome is REFER.
static std::string Short(const std::string &prefix, const std::string &name) { return name.substr(prefix.size()); }

static std::string ShortOutcome(v1::Outcome outcome) { return Short("OUTCOME_", v1::Outcome_Name(outcome)); }

static void ShowDecision(const v1::Decision &decision, const Rules &rules) {
  std::cout << "  " << ShortOutcome(decision.outcome()) << " under " << decision.jurisdiction() << " as of "
            << decision.as_of() << "\n";
  if (decision.outcome() == v1::OUTCOME_NEEDS_INFORMATION)
    std::cout << "  between " << ShortOutcome(decision.best()) << " and " << ShortOutcome(decision.worst()) << "\n";
  if (decision.review_policy() != v1::REVIEW_POLICY_UNSPECIFIED)
    std::cout << "  review policy: " << Short("REVIEW_POLICY_", v1::ReviewPolicy_Name(decision.review_policy())) << "\n";
  for (const auto &requirement : decision.requirements())
    std::cout << (requirement.certain() ? "  requires " : "  may require ") << requirement.authority() << " "
              << requirement.reason() << ": " << rules[requirement.rule().index()].cite() << "\n";
  for (const auto &available : decision.available())
    std::cout << "  available " << available.name() << ": " << rules[available.rule().index()].cite() << "\n";
  for (const auto &missing : decision.missing())
    std::cout << "  missing " << missing.name() << ": " << missing.question() << "\n";
  for (const auto &warning : decision.warnings())
    std::cout << "  warning: " << warning.text() << "\n";
}

// Returns the reason, for programs.
static std::string ShowStatus(int code, const std::string &message, const pb::RepeatedPtrField<pb::Any> &details) {
  std::string reason;
  std::cout << "  refused " << code << ": " << message << "\n";
  for (const auto &detail : details) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&info)) {
      reason = info.reason();
      std::cout << "  reason " << reason << "\n";
    } else if (detail.UnpackTo(&bad)) {
      for (const auto &violation : bad.field_violations())
        std::cout << "  field " << violation.field() << ": " << violation.description() << "\n";
    }
  }
  return reason;
}

static std::string ShowError(const grpc::Status &error) {
  google::rpc::Status status;
  status.ParseFromString(error.error_details());
  return ShowStatus(error.error_code(), error.error_message(), status.details());
}

template <typename Answer> static void ShowResults(const Answer &answer) {
  for (int i = 0; i < answer.results_size(); i++) {
    const v1::DecideResult &result = answer.results(i);
    std::cout << "  [" << i << "]\n";
    if (result.has_decided())
      ShowDecision(result.decided().decision(), answer.rules());
    else
      ShowStatus(result.error().code(), result.error().message(), result.error().details());
  }
}

// ---- the three ways to ask ----

static void Decide(Stub &stub, const Json &step, double seconds) {
  pb::Value told = step.at("decide");
  auto &said = *told.mutable_struct_value()->mutable_fields();
  bool otherwise = step.count("else_min_revision") > 0;

  for (;;) {
    grpc::ClientContext context;
    v1::DecideResponse answer;
    SetDeadline(context, seconds);
    grpc::Status status = stub.Decide(&context, RequestOf(told), &answer);
    if (!status.ok()) {
      // The server is behind. Another one may not be; or older law will do, if whoever asks says so.
      if (ShowError(status) != "REVISION_NOT_REACHED" || !otherwise)
        return;
      otherwise = false;
      said["min_revision"] = step.at("else_min_revision");
      std::cout << "  asked again for revision " << said["min_revision"].number_value() << "\n";
      continue;
    }
    ShowDecision(answer.decision(), answer.rules());
    if (said.count("min_revision") > 0)
      std::cout << "  by revision " << answer.revision().sequence() << "\n";
    // What is missing is named. Whoever knows it is asked; here the scenario knows.
    if (step.count("answers") == 0)
      return;
    const Json &answers = step.at("answers").struct_value().fields();
    bool more = false;
    for (const auto &missing : answer.decision().missing()) {
      if (answers.count(missing.name()) == 0)
        continue;
      for (const auto &fact : answers.at(missing.name()).struct_value().fields()) {
        if (said.count(fact.first) > 0)
          return;
        said[fact.first] = fact.second;
      }
      std::cout << "  told " << missing.name() << "\n";
      more = true;
    }
    if (!more)
      return;
  }
}

static void DecideBatch(Stub &stub, const Json &step, double seconds) {
  grpc::ClientContext context;
  v1::BatchDecideRequest batch;
  v1::BatchDecideResponse answer;

  for (const auto &told : step.at("batch").list_value().values())
    *batch.add_requests() = RequestOf(told);
  SetDeadline(context, seconds);
  grpc::Status status = stub.BatchDecide(&context, batch, &answer);
  if (status.ok())
    ShowResults(answer);
  else
    ShowError(status);
}

static void DecideStream(Stub &stub, const Json &step, double seconds) {
  grpc::ClientContext context;
  v1::StreamDecideResponse answer;

  SetDeadline(context, seconds);
  auto stream = stub.StreamDecide(&context);
  // A frame and its answer in turns; with many frames write from a thread of its own.
  for (const auto &told : step.at("stream").list_value().values()) {
    v1::StreamDecideRequest frame;
    for (const auto &one : told.list_value().values())
      *frame.add_requests() = RequestOf(one);
    if (!stream->Write(frame) || !stream->Read(&answer))
      break;
    std::cout << "  frame\n";
    ShowResults(answer);
  }
  stream->WritesDone();
  grpc::Status status = stream->Finish();
  if (!status.ok())
    ShowError(status);
}

static Options ReadOptions(int argc, char **argv) {
  Options options;
  std::map<std::string, std::string *> flags = {{"--ca", &options.ca}, {"--cert", &options.cert}, {"--key", &options.key}};

  for (int i = 1; i < argc; i++) {
    auto flag = flags.find(argv[i]);
    if (flag != flags.end() && i + 1 < argc)
      *flag->second = argv[++i];
    else if (options.target.empty())
      options.target = argv[i];
    else
      options.scenario = argv[i];
  }
  if (options.scenario.empty()) {
    std::cerr << "usage: client TARGET SCENARIO [--ca FILE [--cert FILE --key FILE]]\n";
    std::exit(2);
  }
  return options;
}

int main(int argc, char **argv) {
  Options options = ReadOptions(argc, argv);
  pb::Struct scenario;
  auto status = pb::util::JsonStringToMessage(ReadFile(options.scenario), &scenario);

  if (!status.ok()) {
    std::cerr << options.scenario << ": " << status.ToString() << "\n";
    return 1;
  }
  auto stub = v1::DecisionService::NewStub(OpenChannel(options));
  double seconds = scenario.fields().at("deadline_seconds").number_value();
  for (const auto &value : scenario.fields().at("steps").list_value().values()) {
    const Json &step = value.struct_value().fields();
    std::cout << step.at("name").string_value() << "\n";
    if (step.count("decide") > 0)
      Decide(*stub, step, seconds);
    else if (step.count("batch") > 0)
      DecideBatch(*stub, step, seconds);
    else
      DecideStream(*stub, step, seconds);
  }
  return 0;
}
