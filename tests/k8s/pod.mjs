// pod.mjs RENDERED REQUEST OUT: of the rendered sidecar, the workload as podman can play it, to OUT. What is left out or
// changed is printed, a line each; all else stays as it is rendered. REQUEST is a file on this machine with the
// transaction that the client in the application's place asks about.
import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { podOf, read } from "./manifests.mjs";

const [rendered, request, out] = process.argv.slice(2);
const changed = [];
const workload = read(rendered).find((object) => object.kind === "Deployment");
const pod = podOf(workload);

changed.push("a pod is played, for a Deployment would start the client again for ever");
pod.restartPolicy = "Never";

changed.push("native sidecars are played as ordinary containers: podman runs init containers to their end");
for (const sidecar of pod.initContainers) delete sidecar.restartPolicy;
pod.containers = [...pod.initContainers, ...pod.containers];
delete pod.initContainers;

changed.push("probes are asked by the test: podman would run curl within the container, where there is none");
for (const container of pod.containers) {
  for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) delete container[probe];
}

changed.push("ports are not told: podman would publish them on this machine");
for (const container of pod.containers) delete container.ports;

changed.push("the service account is left out: podman has none");
delete pod.serviceAccountName;

const server = pod.containers.find((container) => container.name === "pratiqued");
const client = pod.containers.find((container) => container.name === "application");
server.image = client.image = `localhost/${server.image}`;
changed.push("the application is pratique decide of the same image, with a request mounted into it");
const address = client.env.find((variable) => variable.name === "PRATIQUE_ADDRESS").value;
client.command = ["/usr/bin/pratique"];
client.args = ["decide", "--server", address, "--json", "/request.json"];
client.volumeMounts.push({ name: "request", mountPath: "/request.json", readOnly: true });
pod.volumes.push({ name: "request", hostPath: { path: request, type: "File" } });

const { name, labels } = workload.metadata;
writeFileSync(out, stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, labels }, spec: pod }));
console.log(changed.map((line) => `  not as rendered: ${line}`).join("\n"));
