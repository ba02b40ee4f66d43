// Manifests that were broken on purpose, each in one place: what the check must refuse.
import { containersOf, podOf } from "./manifests.mjs";

const first = (object) => containersOf(podOf(object)).find((container) => container.name === "pratiqued");

/** [kind, how it is broken]: against the types. */
const againstTypes = [
  ["Deployment", (o) => { podOf(o).terminationGracePeriod = 40; }],
  ["Deployment", (o) => { o.spec.replicas = "3"; }],
  ["Deployment", (o) => { first(o).readinesProbe = {}; }],
  ["Deployment", (o) => { first(o).resources.limit = { memory: "1Gi" }; }],
  ["Deployment", (o) => { delete o.spec.selector; }],
  ["Deployment", (o) => { first(o).securityContext.readOnlyRootFilesystem = "true"; }],
  ["StatefulSet", (o) => { o.spec.volumeClaimTemplate = []; }],
  ["Service", (o) => { o.spec.ports = [{ name: "grpc", targetPort: "grpc" }]; }],
  ["HorizontalPodAutoscaler", (o) => { o.spec.minReplica = 3; }],
  ["PodDisruptionBudget", (o) => { o.spec.maxUnavailible = 1; }],
  ["NetworkPolicy", (o) => { o.spec.policyTypes = "Ingress"; }],
  ["Certificate", (o) => { o.spec.dnsName = ["x"]; }],
  ["Certificate", (o) => { delete o.spec.secretName; }],
  ["ServiceAccount", (o) => { o.automountServiceAccountToken = "no"; }],
];

/** [kind, how it is broken, what must be said of it]: against the rules. */
const againstRules = [
  ["Deployment", (o) => { podOf(o).securityContext.runAsUser = 0; }, /may run as root/],
  ["Deployment", (o) => { delete podOf(o).securityContext.seccompProfile; }, /no seccomp profile/],
  ["Deployment", (o) => { delete podOf(o).automountServiceAccountToken; }, /service account token/],
  ["Deployment", (o) => { podOf(o).hostNetwork = true; }, /node's namespaces/],
  ["Deployment", (o) => { delete first(o).securityContext.capabilities; }, /keeps capabilities/],
  ["Deployment", (o) => { first(o).securityContext.readOnlyRootFilesystem = false; }, /write to its root/],
  ["Deployment", (o) => { delete first(o).securityContext.allowPrivilegeEscalation; }, /gain privileges/],
  ["Deployment", (o) => { delete first(o).resources.limits; }, /no limit of memory/],
  ["Deployment", (o) => { delete first(o).resources.requests; }, /requests no/],
  ["Deployment", (o) => { first(o).image = "pratique"; }, /no version/],
  ["Deployment", (o) => { first(o).args.push("--stor=/srv/us.mdb"); }, /does not know/],
  ["Deployment", (o) => { first(o).args.push("--grace=60"); }, /may be killed/],
  ["Deployment", (o) => { first(o).args = first(o).args.filter((arg) => !arg.startsWith("--shards")); }, /shards/],
  ["Deployment", (o) => { delete first(o).livenessProbe; }, /no livenessProbe/],
  ["Deployment", (o) => { first(o).livenessProbe = { grpc: { port: 8300 } }; }, /merely not ready/],
  ["Deployment", (o) => { first(o).livenessProbe = { grpc: { port: 8300, service: "pratique.v1.DecisionService" } }; },
    /merely not ready/],
  ["StatefulSet", (o) => { first(o).readinessProbe = { grpc: { port: 8300 } }; }, /wants TLS/],
  ["Deployment", (o) => { first(o).livenessProbe = { httpGet: { path: "/livez", port: "metric" } }; }, /port metric that is not there/],
  ["Deployment", (o) => { o.spec.template.metadata.labels = { app: "other" }; }, /its own pods/],
  ["StatefulSet", (o) => { first(o).volumeMounts[0].name = "dat"; }, /no volume/],
  ["StatefulSet", (o) => { podOf(o).volumes[0].secret.defaultMode = 0o444; }, /others may read/],
  ["StatefulSet", (o) => { podOf(o).volumes[0].secret.secretName = "other"; }, /is made by nobody/, (o, all) =>
    all.some((other) => other.kind === "Certificate")],
  ["Certificate", (o) => { o.spec.issuerRef.name = "other"; }, /no issuer/],
  ["Service", (o) => { o.spec.selector = { app: "other" }; }, /selects no pod/],
  ["Service", (o) => { o.spec.ports[0].targetPort = "http"; }, /leads to a port http/],
  ["PodDisruptionBudget", (o) => { o.spec.selector.matchLabels = { app: "other" }; }, /selects no pod/],
  ["NetworkPolicy", (o) => { o.spec.ingress[0].ports[0].port = 1; }, /lets in to a port 1/, (o) => o.spec.ingress],
  ["HorizontalPodAutoscaler", (o) => { o.spec.scaleTargetRef.name = "other"; }, /scales what is not there/],
  ["ServiceAccount", (o) => { delete o.metadata.namespace; }, /no namespace/],
];

/** A copy of the first overlay that has such an object, with that object broken; it stands at `at`. */
function breakOne(overlays, [kind, change, , which = () => true]) {
  for (const objects of overlays) {
    const at = objects.findIndex((object) => object.kind === kind && which(object, objects));
    if (at >= 0) {
      const copy = structuredClone(objects);
      change(copy[at]);
      return { copy, at };
    }
  }
  throw new Error(`no overlay has a ${kind} to break`);
}

export function brokenTypes(overlays) {
  return againstTypes.map((one) => {
    const { copy, at } = breakOne(overlays, one);
    return copy[at];
  });
}

export function brokenRules(overlays) {
  return againstRules.map((one) => ({ objects: breakOne(overlays, one).copy, expected: one[2], kind: one[0] }));
}
