/** Bundle the report's script into driftgate/report/report.js, or the path given, with the licences of what it holds. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const COPYRIGHT = /^.*Copyright .*\d{4}.*$/gm; // a line of its own, with a year
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../..");
const result = await build({
  absWorkingDir: root,
  entryPoints: [join(here, "main.ts")],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none", // they are all in the banner
  metafile: true,
  write: false,
});
const bundled = Object.values(result.metafile.outputs)[0].inputs;
const packages = Object.entries(bundled)
  .filter(([, part]) => part.bytesInOutput > 0)
  .map(([path]) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
  .filter((name) => name !== undefined);

const byText = new Map();
for (const name of [...new Set(packages)].sort()) {
  const folder = join(root, "node_modules", name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} has no licence file`);
  const text = readFileSync(join(folder, file), "utf8").trim();
  const [copyright, terms] = [text.match(COPYRIGHT) ?? [], text.replace(COPYRIGHT, "").trim()];
  const key = terms.replace(/\s+/g, " ");
  const group = byText.get(key) ?? { terms, holders: [] };
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  group.holders.push(`${name} ${version}: ${copyright.map((line) => line.trim()).join("; ")}`);
  byText.set(key, group);
}
const licences = [...byText.values()].map((group) => `${group.holders.join("\n")}\n\n${group.terms}`);
const banner = `/*! This script holds:\n\n${licences.join("\n\n---\n\n").replaceAll("*/", "* /")}\n*/\n`;
writeFileSync(process.argv[2] ?? join(root, "driftgate/report/report.js"), banner + result.outputFiles[0].text);
