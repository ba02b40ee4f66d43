// What kustomize rendered, as objects; and what is common to the checks of them.
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

/** The objects of a file of YAML; a fault in it ends the check. */
export function read(file) {
  return parseAllDocuments(readFileSync(file, "utf8"), { uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

export const title = (object) => `${object.kind} ${object.metadata?.name}`;

/** The pod that a workload makes, undefined of others. */
export const podOf = (object) => object.spec?.template?.spec;

export const containersOf = (pod) => [...(pod.initContainers ?? []), ...(pod.containers ?? [])];

/** --flag=value of a container's arguments. */
export function flagsOf(container) {
  return Object.fromEntries((container.args ?? []).map((arg) => {
    const [flag, ...value] = arg.split("=");
    return [flag, value.join("=")];
  }));
}
