// TypeScript that holds each object as a literal of its kind, so that the compiler refuses unknown keys, wrong types
// and missing fields. Each object stands on one line, for @ts-expect-error speaks of the line that follows it.

/** The module of a kind: "apps/v1 Deployment" is in kubernetes-models/apps/v1/Deployment. */
function moduleOf({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const models = group === "cert-manager.io" ? "@kubernetes-models/cert-manager" : "kubernetes-models";
  return [models, group, version, kind].filter((part) => part !== "").join("/");
}

/** Source for the compiler. `broken` must each be refused. */
export function source(good, broken) {
  const kinds = new Map([...good, ...broken].map((object) => [`${moduleOf(object)}`, object.kind]));
  const imports = [...kinds].map(([module, kind]) => `import type { I${kind} } from "${module}";`);
  const line = (object, i, prefix) => `export const ${prefix}${i}: I${object.kind} = ${JSON.stringify(object)};`;
  return [
    ...imports,
    ...good.map((object, i) => line(object, i, "good")),
    ...broken.flatMap((object, i) => ["// @ts-expect-error", line(object, i, "broken")]),
    "",
  ].join("\n");
}
