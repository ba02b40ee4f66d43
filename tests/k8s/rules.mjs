// What the types cannot say: how a pod of ours is confined, and that the parts of an overlay fit each other.
import { containersOf, flagsOf, podOf, title } from "./manifests.mjs";

function confined(container) {
  const context = container.securityContext ?? {};
  const faults = [];
  if (context.allowPrivilegeEscalation !== false) faults.push("may gain privileges");
  if (context.readOnlyRootFilesystem !== true) faults.push("may write to its root");
  if (!(context.capabilities?.drop ?? []).includes("ALL")) faults.push("keeps capabilities");
  if (context.privileged || context.capabilities?.add) faults.push("is privileged");
  return faults;
}

function fed(container) {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const faults = [];
  if (!requests.cpu || !requests.memory) faults.push("requests no processor time or no memory");
  if (!limits.memory) faults.push("has no limit of memory");
  return faults;
}

function portsKnown(container) {
  const names = (container.ports ?? []).flatMap((port) => [port.name, port.containerPort]);
  return ["startupProbe", "readinessProbe", "livenessProbe"].flatMap((probe) => {
    const port = container[probe]?.httpGet?.port ?? container[probe]?.grpc?.port;
    return port === undefined || names.includes(port) ? [] : [`${probe} asks a port ${port} that is not there`];
  });
}

/** A server is probed, is given shards by number, is let end in time, and has flags that it knows. */
function server(container, pod, known) {
  const flags = flagsOf(container);
  const faults = [];
  for (const flag of Object.keys(flags)) {
    if (!known.has(flag)) faults.push(`has the flag ${flag}, which pratiqued does not know`);
  }
  for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
    if (!container[probe]) faults.push(`has no ${probe}`);
  }
  const life = container.livenessProbe?.grpc;
  if (life && life.service !== "liveness") faults.push("is restarted when it is merely not ready");
  const calls = ["startupProbe", "readinessProbe", "livenessProbe"].filter((probe) => container[probe]?.grpc);
  if (flags["--tls-cert"] && calls.length > 0) faults.push(`wants TLS, which ${calls[0]} does not speak`);
  if (!flags["--shards"]) faults.push("takes its shards from the node");
  const ends = Number(flags["--drain-delay"] ?? 0) + Number(flags["--grace"] ?? 10);
  if (!(pod.terminationGracePeriodSeconds > ends)) faults.push(`may be killed within the ${ends} s that ending takes`);
  return faults;
}

function volumesKnown(pod) {
  const names = (pod.volumes ?? []).map((volume) => volume.name);
  return (container, claims) =>
    (container.volumeMounts ?? [])
      .filter((mount) => !names.includes(mount.name) && !claims.includes(mount.name))
      .map((mount) => `mounts ${mount.name}, which is no volume`);
}

function pod(object, known) {
  const spec = podOf(object);
  if (spec === undefined) return [];
  const faults = [];
  const context = spec.securityContext ?? {};
  if (context.runAsNonRoot !== true || !(context.runAsUser > 0)) faults.push("may run as root");
  if (context.seccompProfile?.type !== "RuntimeDefault") faults.push("has no seccomp profile");
  if (spec.automountServiceAccountToken !== false) faults.push("gets a service account token");
  if (spec.hostNetwork || spec.hostPID || spec.hostIPC) faults.push("shares the node's namespaces");

  const claims = (object.spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name);
  const unmounted = volumesKnown(spec);
  for (const container of containersOf(spec)) {
    const about = [confined(container), fed(container), portsKnown(container), unmounted(container, claims)].flat();
    if (/:latest$/.test(container.image) || !/:[^/]+$/.test(container.image)) about.push("has an image of no version");
    if (container.name === "pratiqued") about.push(...server(container, spec, known));
    faults.push(...about.map((fault) => `${container.name} ${fault}`));
  }
  return faults;
}

const matches = (selector, labels) =>
  Object.entries(selector ?? {}).every(([name, value]) => labels?.[name] === value);

/** What a service, a budget, a policy or an autoscaler speaks of is there. */
function aim(object, all) {
  const workloads = all.filter((other) => podOf(other) !== undefined);
  const some = (selector) => workloads.filter((other) => matches(selector, other.spec.template.metadata.labels));
  const named = (list) => list.flatMap((other) => containersOf(podOf(other))).flatMap((one) => one.ports ?? []);
  const port = (list, name) => named(list).some((one) => one.name === name || one.containerPort === name);
  switch (object.kind) {
    case "Deployment":
    case "StatefulSet":
      return some(object.spec.selector.matchLabels).includes(object) ? [] : ["does not select its own pods"];
    case "Service": {
      const found = some(object.spec.selector);
      const faults = found.length > 0 ? [] : ["selects no pod"];
      for (const one of object.spec.ports) {
        if (!port(found, one.targetPort)) faults.push(`leads to a port ${one.targetPort} that is not there`);
      }
      return faults;
    }
    case "Certificate":
      return all.some((other) => other.kind === "Issuer" && other.metadata.name === object.spec.issuerRef.name)
        ? []
        : ["names no issuer that is there"];
    case "PodDisruptionBudget":
      return some(object.spec.selector.matchLabels).length > 0 ? [] : ["selects no pod"];
    case "NetworkPolicy": {
      const selector = object.spec.podSelector.matchLabels;
      if (selector === undefined) return [];
      const found = some(selector);
      const ports = (object.spec.ingress ?? []).flatMap((rule) => rule.ports ?? []).map((one) => one.port);
      return [
        ...(found.length > 0 ? [] : ["selects no pod"]),
        ...ports.filter((one) => !port(found, one)).map((one) => `lets in to a port ${one} that is not there`),
      ];
    }
    case "HorizontalPodAutoscaler": {
      const { kind, name } = object.spec.scaleTargetRef;
      const target = workloads.find((other) => other.kind === kind && other.metadata.name === name);
      if (target === undefined) return ["scales what is not there"];
      return target.spec.replicas === undefined ? [] : ["scales what has a fixed number of replicas"];
    }
    default:
      return [];
  }
}

/** Secrets: who cannot read the key is not served; where cert-manager makes some, it makes all. */
function secrets(object, all) {
  const made = all.filter((other) => other.kind === "Certificate").map((other) => other.spec.secretName);
  const wanted = (podOf(object)?.volumes ?? []).flatMap((volume) => volume.secret ?? []);
  return wanted.flatMap(({ secretName, defaultMode = 0o644 }) => [
    ...(defaultMode & 0o007 ? [`others may read the secret ${secretName}`] : []),
    ...(made.length > 0 && !made.includes(secretName) ? [`the secret ${secretName} is made by nobody`] : []),
  ]);
}

function placed(object) {
  return object.kind === "Namespace" || object.metadata?.namespace ? [] : ["is in no namespace"];
}

/** Everything wrong in the objects of an overlay, a line each. `known`: the flags of pratiqued. */
export function faults(objects, known) {
  return objects.flatMap((object) =>
    [...placed(object), ...pod(object, known), ...secrets(object, objects), ...aim(object, objects)].map((fault) => `${title(object)}: ${fault}`));
}
