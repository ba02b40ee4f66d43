// Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file.

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.ReflectiveChannelFactory;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.io.PrintStream;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import pratique.v1.BatchDecideRequest;
import pratique.v1.DecideResult;
import pratique.v1.StreamDecideRequest;
import pratique.v1.StreamDecideResponse;
import pratique.v1.DecideRequest;
import pratique.v1.DecideResponse;
import pratique.v1.Decision;
import pratique.v1.MissingFact;
import pratique.v1.Outcome;
import pratique.v1.ReviewPolicy;
import pratique.v1.Rule;
import pratique.v1.DecisionServiceGrpc;

public final class Client {
  // A call that found no server is tried again, within its deadline. Numbers of a service config are doubles in Java.
  private static final Map<String, ?> SERVICE_CONFIG = Map.of(
      "methodConfig", List.of(Map.of(
          "name", List.of(Map.of("service", "pratique.v1.DecisionService")),
          "retryPolicy", Map.of(
              "maxAttempts", 4.0,
              "initialBackoff", "0.1s",
              "maxBackoff", "1s",
              "backoffMultiplier", 2.0,
              "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

  private final ManagedChannel channel;
  private final long seconds;

  private Client(ManagedChannel channel, long seconds) {
    this.channel = channel;
    this.seconds = seconds;
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    return thread;
  }

  private static ManagedChannel open(String target, Map<String, String> flags) throws Exception {
    NettyChannelBuilder builder;
    if (target.startsWith("unix:")) {
      builder = NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(target.substring("unix:".length())))
          .eventLoopGroup(new NioEventLoopGroup(1, Client::daemon))
          .channelFactory(new ReflectiveChannelFactory<>(UnixChannel.class))
          .overrideAuthority("localhost");
    } else {
      builder = NettyChannelBuilder.forTarget(target);
    }
    if (flags.containsKey("--ca")) {
      SslContextBuilder tls = GrpcSslContexts.forClient().trustManager(new File(flags.get("--ca")));
      if (flags.containsKey("--cert")) {
        tls.keyManager(new File(flags.get("--cert")), new File(flags.get("--key")));
      }
      builder.sslContext(tls.build());
    } else {
      builder.usePlaintext();
    }
    return builder.enableRetry().defaultServiceConfig(SERVICE_CONFIG).build();
  }

  private static DecideRequest requestOf(JsonElement told) throws InvalidProtocolBufferException {
    DecideRequest.Builder request = DecideRequest.newBuilder();
    JsonFormat.parser().merge(told.toString(), request);
    return request.build();
  }

  private DecisionServiceGrpc.DecisionServiceBlockingStub stub() {
    return DecisionServiceGrpc.newBlockingStub(channel).withDeadlineAfter(seconds, TimeUnit.SECONDS);
  }

  // ---- what is printed ----

  private static void say(String format, Object... args) {
    OUT.print("  " + String.format(format, args) + "\n");
  }

  /** OUTCOME_REFER of the enum Outcome is REFER. */
  private static String name(Outcome outcome) {
    return outcome.name().substring("OUTCOME_".length());
  }

  private static void showDecision(Decision decision, List<Rule> rules) {
    say("%s under %s as of %s", name(decision.getOutcome()), decision.getJurisdiction(), decision.getAsOf());
    if (decision.getOutcome() == Outcome.OUTCOME_NEEDS_INFORMATION) {
      say("between %s and %s", name(decision.getBest()), name(decision.getWorst()));
    }
    if (decision.getReviewPolicy() != ReviewPolicy.REVIEW_POLICY_UNSPECIFIED) {
      say("review policy: %s", decision.getReviewPolicy().name().substring("REVIEW_POLICY_".length()));
    }
    decision.getRequirementsList().forEach(r -> say("%s %s %s: %s", r.getCertain() ? "requires" : "may require",
        r.getAuthority(), r.getReason(), rules.get(r.getRule().getIndex()).getCite()));
    decision.getAvailableList()
        .forEach(a -> say("available %s: %s", a.getName(), rules.get(a.getRule().getIndex()).getCite()));
    decision.getMissingList().forEach(m -> say("missing %s: %s", m.getName(), m.getQuestion()));
    decision.getWarningsList().forEach(w -> say("warning: %s", w.getText()));
  }

  /** Returns the reason, for programs. */
  private static String showStatus(int code, String message, List<Any> details) throws InvalidProtocolBufferException {
    String reason = "";
    say("refused %d: %s", code, message);
    for (Any detail : details) {
      if (detail.is(ErrorInfo.class)) {
        reason = detail.unpack(ErrorInfo.class).getReason();
        say("reason %s", reason);
      } else if (detail.is(BadRequest.class)) {
        detail.unpack(BadRequest.class).getFieldViolationsList()
            .forEach(v -> say("field %s: %s", v.getField(), v.getDescription()));
      }
    }
    return reason;
  }

  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private static String showError(StatusRuntimeException error) throws InvalidProtocolBufferException {
    byte[] bytes = error.getTrailers() == null ? null : error.getTrailers().get(DETAILS);
    List<Any> details = bytes == null ? List.of() : com.google.rpc.Status.parseFrom(bytes).getDetailsList();
    return showStatus(error.getStatus().getCode().value(), error.getStatus().getDescription(), details);
  }

  private static void showResults(List<DecideResult> results, List<Rule> rules) throws InvalidProtocolBufferException {
    for (int i = 0; i < results.size(); i++) {
      DecideResult result = results.get(i);
      say("[%d]", i);
      if (result.hasDecided()) {
        showDecision(result.getDecided().getDecision(), rules);
      } else {
        showStatus(result.getError().getCode(), result.getError().getMessage(), result.getError().getDetailsList());
      }
    }
  }

  // ---- the three ways to ask ----

  private void decide(JsonObject step) throws InvalidProtocolBufferException {
    JsonObject told = step.getAsJsonObject("decide").deepCopy();
    JsonObject answers = step.has("answers") ? step.getAsJsonObject("answers") : new JsonObject();
    JsonElement otherwise = step.get("else_min_revision");
    for (;;) {
      DecideResponse answer;
      try {
        answer = stub().decide(requestOf(told));
      } catch (StatusRuntimeException e) {
        // The server is behind. Another one may not be; or older law will do, if whoever asks says so.
        if (!showError(e).equals("REVISION_NOT_REACHED") || otherwise == null) {
          return;
        }
        say("asked again for revision %d", otherwise.getAsLong());
        told.add("min_revision", otherwise);
        otherwise = null;
        continue;
      }
      showDecision(answer.getDecision(), answer.getRulesList());
      if (told.has("min_revision")) {
        say("by revision %s", Long.toUnsignedString(answer.getRevision().getSequence()));
      }
      // What is missing is named. Whoever knows it is asked; here the scenario knows.
      List<String> known = new ArrayList<>();
      for (MissingFact missing : answer.getDecision().getMissingList()) {
        JsonObject facts = answers.getAsJsonObject(missing.getName());
        if (facts != null && facts.keySet().stream().noneMatch(told::has)) {
          known.add(missing.getName());
        }
      }
      if (known.isEmpty()) {
        return;
      }
      for (String name : known) {
        say("told %s", name);
        answers.getAsJsonObject(name).entrySet().forEach(fact -> told.add(fact.getKey(), fact.getValue()));
      }
    }
  }

  private void decideBatch(JsonArray told) throws InvalidProtocolBufferException {
    BatchDecideRequest.Builder batch = BatchDecideRequest.newBuilder();
    for (JsonElement one : told) {
      batch.addRequests(requestOf(one));
    }
    var answer = stub().batchDecide(batch.build());
    showResults(answer.getResultsList(), answer.getRulesList());
  }

  private void decideStream(JsonArray told) throws Exception {
    CompletableFuture<Void> end = new CompletableFuture<>();
    StreamObserver<StreamDecideRequest> frames = DecisionServiceGrpc.newStub(channel)
        .withDeadlineAfter(seconds, TimeUnit.SECONDS)
        .streamDecide(new StreamObserver<StreamDecideResponse>() {
          @Override
          public void onNext(StreamDecideResponse answer) {
            say("frame");
            try {
              showResults(answer.getResultsList(), answer.getRulesList());
            } catch (InvalidProtocolBufferException e) {
              end.completeExceptionally(e);
            }
          }

          @Override
          public void onError(Throwable error) {
            end.completeExceptionally(error);
          }

          @Override
          public void onCompleted() {
            end.complete(null);
          }
        });
    for (JsonElement frame : told) {
      StreamDecideRequest.Builder request = StreamDecideRequest.newBuilder();
      for (JsonElement one : frame.getAsJsonArray()) {
        request.addRequests(requestOf(one));
      }
      frames.onNext(request.build());
    }
    frames.onCompleted();
    try {
      end.get();
    } catch (java.util.concurrent.ExecutionException e) {
      throw e.getCause() instanceof StatusRuntimeException ? (StatusRuntimeException) e.getCause() : e;
    }
  }

  private void ask(JsonObject step) throws Exception {
    OUT.print(step.get("name").getAsString() + "\n");
    try {
      if (step.has("decide")) {
        decide(step);
      } else if (step.has("batch")) {
        decideBatch(step.getAsJsonArray("batch"));
      } else {
        decideStream(step.getAsJsonArray("stream"));
      }
    } catch (StatusRuntimeException e) {
      showError(e);
    }
  }

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new HashMap<>();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < args.length; i++) {
      if (args[i].startsWith("--") && i + 1 < args.length) {
        flags.put(args[i], args[++i]);
      } else {
        names.add(args[i]);
      }
    }
    if (names.size() != 2) {
      System.err.println("usage: Client TARGET SCENARIO [--ca FILE [--cert FILE --key FILE]]");
      System.exit(2);
    }
    JsonObject scenario = new Gson().fromJson(Files.readString(Path.of(names.get(1))), JsonObject.class);
    ManagedChannel channel = open(names.get(0), flags);
    Client client = new Client(channel, scenario.get("deadline_seconds").getAsLong());
    for (JsonElement step : scenario.getAsJsonArray("steps")) {
      client.ask(step.getAsJsonObject());
    }
    OUT.flush();
    channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
  }
}
