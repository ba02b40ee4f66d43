// Decides a scenario with pratiqued: one transaction, a batch and a stream. See README.md beside this file.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs, promisify } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const protos = path.join(__dirname, '..', '..', 'proto');
const options = { keepCase: true, enums: String, longs: String, defaults: true, oneofs: true, includeDirs: [protos] };
const { pratique } = grpc.loadPackageDefinition(loader.loadSync('pratique/v1/decision_service.proto', options));

// A call that found no server is tried again, within its deadline.
const serviceConfig = {
  methodConfig: [
    {
      name: [{ service: 'pratique.v1.DecisionService' }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};

function openClient(target, flags) {
  const read = (file) => (file === undefined ? null : fs.readFileSync(file));
  const credentials = flags.ca
    ? grpc.credentials.createSsl(read(flags.ca), read(flags.key), read(flags.cert))
    : grpc.credentials.createInsecure();
  return new pratique.v1.DecisionService(target, credentials, {
    'grpc.service_config': JSON.stringify(serviceConfig),
    'grpc.enable_retries': 1,
  });
}

const deadline = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

// ---- what is printed ----

const say = (text) => process.stdout.write(`  ${text}\n`);

// OUTCOME_REFER of the enum Outcome is REFER.
const short = (prefix, name) => name.slice(prefix.length);

function showDecision(decision, rules) {
  say(`${short('OUTCOME_', decision.outcome)} under ${decision.jurisdiction} as of ${decision.as_of}`);
  if (decision.outcome === 'OUTCOME_NEEDS_INFORMATION') {
    say(`between ${short('OUTCOME_', decision.best)} and ${short('OUTCOME_', decision.worst)}`);
  }
  if (decision.review_policy !== 'REVIEW_POLICY_UNSPECIFIED') {
    say(`review policy: ${short('REVIEW_POLICY_', decision.review_policy)}`);
  }
  for (const { certain, authority, reason, rule } of decision.requirements) {
    say(`${certain ? 'requires' : 'may require'} ${authority} ${reason}: ${rules[rule.index].cite}`);
  }
  for (const { name, rule } of decision.available) say(`available ${name}: ${rules[rule.index].cite}`);
  for (const { name, question } of decision.missing) say(`missing ${name}: ${question}`);
  for (const { text } of decision.warnings) say(`warning: ${text}`);
}

const root = new protobuf.Root();
root.resolvePath = (origin, target) => (path.isAbsolute(target) ? target : path.join(protos, target));
root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto'], { keepCase: true });

// Returns the reason, for programs.
function showStatus(code, message, details) {
  let reason = '';
  say(`refused ${code}: ${message}`);
  for (const { type_url, value } of details) {
    const name = type_url.slice(type_url.lastIndexOf('/') + 1);
    if (name === 'google.rpc.ErrorInfo') {
      ({ reason } = root.lookupType(name).decode(value));
      say(`reason ${reason}`);
    } else if (name === 'google.rpc.BadRequest') {
      for (const { field, description } of root.lookupType(name).decode(value).field_violations) {
        say(`field ${field}: ${description}`);
      }
    }
  }
  return reason;
}

function showError(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = bytes ? root.lookupType('google.rpc.Status').decode(bytes).details : [];
  return showStatus(error.code, error.details, details);
}

function showResults({ results, rules }) {
  results.forEach(({ result, decided, error }, i) => {
    say(`[${i}]`);
    if (result === 'decided') showDecision(decided.decision, rules);
    else showStatus(error.code, error.message, error.details);
  });
}

// ---- the three ways to ask ----

async function decide(client, step, seconds) {
  const ask = promisify(client.Decide.bind(client));
  const told = { ...step.decide };
  const answers = step.answers ?? {};
  let otherwise = step.else_min_revision;
  for (;;) {
    let answer;
    try {
      answer = await ask(told, deadline(seconds));
    } catch (error) {
      if (error.metadata === undefined) throw error;
      // The server is behind. Another one may not be; or older law will do, if whoever asks says so.
      if (showError(error) !== 'REVISION_NOT_REACHED' || otherwise === undefined) return;
      say(`asked again for revision ${otherwise}`);
      told.min_revision = otherwise;
      otherwise = undefined;
      continue;
    }
    const { decision, rules, revision } = answer;
    showDecision(decision, rules);
    if ('min_revision' in told) say(`by revision ${revision.sequence}`);
    // What is missing is named. Whoever knows it is asked; here the scenario knows.
    const known = decision.missing
      .map(({ name }) => name)
      .filter((name) => name in answers && !Object.keys(answers[name]).some((key) => key in told));
    if (known.length === 0) return;
    for (const name of known) {
      say(`told ${name}`);
      Object.assign(told, answers[name]);
    }
  }
}

async function decideBatch(client, step, seconds) {
  const ask = promisify(client.BatchDecide.bind(client));
  showResults(await ask({ requests: step.batch }, deadline(seconds)));
}

async function decideStream(client, step, seconds) {
  const stream = client.StreamDecide(deadline(seconds));
  for (const requests of step.stream) stream.write({ requests });
  stream.end();
  for await (const answer of stream) {
    say('frame');
    showResults(answer);
  }
}

async function main() {
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({ options: { ca: text, cert: text, key: text }, allowPositionals: true });
  if (positionals.length !== 2) {
    process.stderr.write('usage: client.js TARGET SCENARIO [--ca FILE [--cert FILE --key FILE]]\n');
    process.exit(2);
  }
  const [target, file] = positionals;
  const scenario = JSON.parse(fs.readFileSync(file, 'utf8'));
  const client = openClient(target, values);
  const ways = { decide, batch: decideBatch, stream: decideStream };
  for (const step of scenario.steps) {
    process.stdout.write(`${step.name}\n`);
    try {
      for (const way of Object.keys(ways)) {
        if (way in step) await ways[way](client, step, scenario.deadline_seconds);
      }
    } catch (error) {
      if (error.metadata === undefined) throw error;
      showError(error);
    }
  }
  client.close();
}

main();
