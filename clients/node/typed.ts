// Asks one question in TypeScript, with the types that `npm run types` makes. client.js does the rest in JavaScript.
import * as path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';

import type { ProtoGrpcType } from './types/decision_service';
import type { DecideRequest } from './types/pratique/v1/DecideRequest';
import type { DecideResponse__Output } from './types/pratique/v1/DecideResponse';

const protos = path.join(__dirname, '..', '..', 'proto');
const definition = loader.loadSync('pratique/v1/decision_service.proto', {
  keepCase: true,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [protos],
});
const { pratique } = grpc.loadPackageDefinition(definition) as unknown as ProtoGrpcType;

export function decide(target: string, request: DecideRequest, seconds: number): Promise<DecideResponse__Output> {
  const client = new pratique.v1.DecisionService(target, grpc.credentials.createInsecure());
  return new Promise<DecideResponse__Output>((resolve, reject) => {
    client.Decide(request, { deadline: Date.now() + seconds * 1000 }, (error, answer) => {
      if (error || !answer) reject(error);
      else resolve(answer);
    });
  }).finally(() => client.close());
}

export async function mayGo(target: string, eccn: string, destination: string, asOf: string): Promise<boolean> {
  const { decision } = await decide(
    target,
    { as_of: asOf, transaction_type: 'export', origin: 'US', destination, item: { eccn, kind: 'commodity' } },
    10,
  );
  // Anything else is a licence, a question or a person's decision: never a silent yes.
  return decision?.outcome === 'OUTCOME_NO_LICENSE_REQUIRED' || decision?.outcome === 'OUTCOME_NOT_SUBJECT';
}
