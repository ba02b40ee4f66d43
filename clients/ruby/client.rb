# frozen_string_literal: true

# Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file.
require 'json'
require 'optparse'
require 'google/protobuf/well_known_types'
require 'google/rpc/error_details_pb'
require 'google/rpc/status_pb'
require 'pratique/v1/decision_service_services_pb'

# A call that found no server is tried again, within its deadline.
SERVICE_CONFIG = {
  methodConfig: [{
    name: [{ service: 'pratique.v1.DecisionService' }],
    retryPolicy: {
      maxAttempts: 4, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 2,
      retryableStatusCodes: ['UNAVAILABLE']
    }
  }]
}.freeze

def open_stub(target, flags)
  args = { 'grpc.service_config' => JSON.generate(SERVICE_CONFIG), 'grpc.enable_retries' => 1 }
  credentials = :this_channel_is_insecure
  if flags[:ca]
    files = %i[ca key cert].map { |flag| flags[flag] && File.read(flags[flag]) }
    credentials = GRPC::Core::ChannelCredentials.new(*files)
  end
  Pratique::V1::DecisionService::Stub.new(target, credentials, channel_args: args)
end

def request_of(told)
  Pratique::V1::DecideRequest.decode_json(JSON.generate(told))
end

# ---- what is printed ----

def say(text)
  puts "  #{text}"
end

# OUTCOME_REFER of the enum Outcome is REFER.
def short(prefix, name)
  name.to_s.delete_prefix(prefix)
end

def show_decision(decision, rules)
  say "#{short('OUTCOME_', decision.outcome)} under #{decision.jurisdiction} as of #{decision.as_of}"
  if decision.outcome == :OUTCOME_NEEDS_INFORMATION
    say "between #{short('OUTCOME_', decision.best)} and #{short('OUTCOME_', decision.worst)}"
  end
  if decision.review_policy != :REVIEW_POLICY_UNSPECIFIED
    say "review policy: #{short('REVIEW_POLICY_', decision.review_policy)}"
  end
  decision.requirements.each do |r|
    say "#{r.certain ? 'requires' : 'may require'} #{r.authority} #{r.reason}: #{cite(rules, r)}"
  end
  decision.available.each { |a| say "available #{a.name}: #{cite(rules, a)}" }
  decision.missing.each { |m| say "missing #{m.name}: #{m.question}" }
  decision.warnings.each { |w| say "warning: #{w.text}" }
end

# A reference to the first rule, 0, is a message all the same.
def cite(rules, of)
  rules[of.rule.index].cite
end

# The reason, for programs; nil where none was said.
def show_status(code, message, details)
  reason = nil
  say "refused #{code}: #{message}"
  details.each do |detail|
    if detail.is(Google::Rpc::ErrorInfo)
      reason = detail.unpack(Google::Rpc::ErrorInfo).reason
      say "reason #{reason}"
    elsif detail.is(Google::Rpc::BadRequest)
      detail.unpack(Google::Rpc::BadRequest).field_violations.each { |v| say "field #{v.field}: #{v.description}" }
    end
  end
  reason
end

def show_error(error)
  bytes = error.metadata['grpc-status-details-bin']
  show_status(error.code, error.details, bytes ? Google::Rpc::Status.decode(bytes).details : [])
end

def show_results(answer)
  answer.results.each_with_index do |result, i|
    say "[#{i}]"
    if result.result == :decided
      show_decision(result.decided.decision, answer.rules)
    else
      show_status(result.error.code, result.error.message, result.error.details)
    end
  end
end

# ---- the three ways to ask ----

def decide(stub, step, seconds)
  told = step['decide'].dup
  answers = step['answers'] || {}
  otherwise = step['else_min_revision']
  loop do
    begin
      answer = stub.decide(request_of(told), deadline: Time.now + seconds)
    rescue GRPC::BadStatus => e
      # The server is behind. Another one may not be; or older law will do, if whoever asks says so.
      return unless show_error(e) == 'REVISION_NOT_REACHED' && otherwise

      say "asked again for revision #{otherwise}"
      told['min_revision'] = otherwise
      otherwise = nil
      next
    end
    show_decision(answer.decision, answer.rules)
    say "by revision #{answer.revision.sequence}" if told.key?('min_revision')
    # What is missing is named. Whoever knows it is asked; here the scenario knows.
    known = answer.decision.missing.map(&:name).select { |name| answers[name]&.keys&.none? { |key| told.key?(key) } }
    return if known.empty?

    known.each do |name|
      say "told #{name}"
      told.merge!(answers[name])
    end
  end
end

def decide_batch(stub, step, seconds)
  batch = Pratique::V1::BatchDecideRequest.new(requests: step['batch'].map { |told| request_of(told) })
  show_results(stub.batch_decide(batch, deadline: Time.now + seconds))
end

def decide_stream(stub, step, seconds)
  frames = step['stream'].lazy.map do |frame|
    Pratique::V1::StreamDecideRequest.new(requests: frame.map { |told| request_of(told) })
  end
  stub.stream_decide(frames, deadline: Time.now + seconds).each do |answer|
    say 'frame'
    show_results(answer)
  end
end

flags = {}
parser = OptionParser.new('usage: client.rb TARGET SCENARIO [--ca FILE [--cert FILE --key FILE]]')
%w[ca cert key].each { |flag| parser.on("--#{flag} FILE") { |file| flags[flag.to_sym] = file } }
target, file = parser.parse(ARGV)
abort parser.banner if file.nil?

scenario = JSON.parse(File.read(file))
stub = open_stub(target, flags)
scenario['steps'].each do |step|
  puts step['name']
  begin
    decide(stub, step, scenario['deadline_seconds']) if step['decide']
    decide_batch(stub, step, scenario['deadline_seconds']) if step['batch']
    decide_stream(stub, step, scenario['deadline_seconds']) if step['stream']
  rescue GRPC::BadStatus => e
    show_error(e)
  end
end
