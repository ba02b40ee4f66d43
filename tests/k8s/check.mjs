// check.mjs HELP OUT FILE...: HELP is what pratiqued --help prints, OUT the TypeScript to write, each FILE a rendered
// overlay. The rules are judged here; the compiler judges OUT.
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { brokenRules, brokenTypes } from "./broken.mjs";
import { read } from "./manifests.mjs";
import { faults } from "./rules.mjs";
import { source } from "./types.mjs";

const [help, out, ...files] = process.argv.slice(2);
const known = new Set(readFileSync(help, "utf8").match(/^ +--[a-z-]+/gm).map((flag) => flag.trim()));
const overlays = files.map(read);
let passed = 0;
let failed = 0;

function judge(good, text) {
  if (good) passed++;
  else {
    failed++;
    console.log(`FAIL ${text}`);
  }
}

overlays.forEach((objects, i) => {
  const found = faults(objects, known);
  judge(found.length === 0, `${basename(files[i])}:\n     ${found.join("\n     ")}`);
});
for (const { objects, expected, kind } of brokenRules(overlays)) {
  const found = faults(objects, known);
  judge(found.some((fault) => expected.test(fault)), `a broken ${kind} is not refused with ${expected}: ${found}`);
}
writeFileSync(out, source(overlays.flat(), brokenTypes(overlays)));
console.log(`rules: ${overlays.flat().length} objects of ${files.length} overlays`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
