// Copy the libraries that pages load from node_modules into static/mission_control/vendor/, or compare the copies.
//
//   node .ci/vendor.js          copy; files that are not listed here are removed
//   node .ci/vendor.js --check  compare; exit with 1 and name the differences
//
// `npm ci` has installed what package-lock.json names, and has compared it with the hashes there. A new version has a
// new file name, so that browsers load it: change the name in the template or module that loads it, too.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const ROOT = new URL("../", import.meta.url);
const VENDOR = new URL("mission_control/static/mission_control/vendor/", ROOT);
// The copy without its version, and the file in node_modules.
const FILES = [
  ["combobox-nav.js", "@github/combobox-nav", "dist/index.js"],
  ["htmx.min.js", "htmx.org", "dist/htmx.min.js"],
  ["idiomorph.min.js", "idiomorph", "dist/idiomorph.min.js"],
];

const versionOf = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, ROOT))).version;

/** Return the content of each file of vendor/ by its name: a library, and its licence. */
function expected() {
  const found = new Map();
  for (const [copy, name, path] of FILES) {
    const [stem, ...ends] = copy.split(".");
    const read = (file) => readFileSync(new URL(`node_modules/${name}/${file}`, ROOT));
    found.set(`${stem}-${versionOf(name)}.${ends.join(".")}`, read(path));
    found.set(`${stem}.LICENSE`, read("LICENSE"));
  }
  return found;
}

/** Return the content of each file that is in vendor/ now. */
function present() {
  return new Map(readdirSync(VENDOR).map((name) => [name, readFileSync(new URL(name, VENDOR))]));
}

const [wanted, found] = [expected(), present()];
const extra = [...found.keys()].filter((name) => !wanted.has(name));
const different = [...wanted].filter(([name, content]) => !found.get(name)?.equals(content));

if (process.argv.includes("--check")) {
  for (const name of extra) console.error(`vendor/${name}: comes from no package in .ci/vendor.js`);
  for (const [name] of different) console.error(`vendor/${name}: differs from the package; run \`make vendor\``);
  process.exitCode = extra.length || different.length ? 1 : 0;
} else {
  for (const name of extra) rmSync(new URL(name, VENDOR));
  for (const [name, content] of different) writeFileSync(new URL(name, VENDOR), content);
}
