/**
 * Builds the page's script and style, `dist/report.js` and `dist/report.css`, which are committed: whoever builds
 * `patch-report` needs no Node. The same sources give the same bytes. `--check` builds nothing and fails if what is
 * committed is not what the sources give.
 *
 * What is in the bundle besides our own code, and why:
 * - Preact (MIT): draws the page. It writes text as text whatever is in it, and is a tenth of React's size.
 * - d3-scale and d3-shape (ISC), and what they need of d3: the stacks and scales of the charts. Preact draws them as
 *   SVG, with attributes only, as the page's content security policy asks.
 * A table library is not: those at hand want an object for each row, where columns of numbers sort and filter 100,000
 * nodes at once.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = new URL(".", import.meta.url);
/** As a path, in which a space is a space. */
const folder = fileURLToPath(here);
const out = new URL("dist/", here);

const result = await build({
  absWorkingDir: folder,
  entryPoints: { report: "src/main.tsx" },
  bundle: true,
  charset: "ascii",
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  metafile: true,
  minify: true,
  outdir: "dist",
  target: ["es2022"],
  write: false,
});
const styles = await build({
  absWorkingDir: folder,
  entryPoints: ["src/report.css"],
  minify: true,
  outdir: "dist",
  // Browsers that have DecompressionStream and light-dark(): nothing is to be rewritten for others.
  target: ["chrome123", "firefox120", "safari17.5"],
  write: false,
});

const script = result.outputFiles[0].text + (await licences(inBundle(result.metafile)));
// Rust puts it between <script> and </script> as it is.
for (const ends of ["</script", "<script", "<!--"]) {
  if (script.toLowerCase().includes(ends)) throw new Error(`the script contains ${ends}`);
}
const files = { "report.js": script, "report.css": styles.outputFiles[0].text };

for (const [name, text] of Object.entries(files)) {
  const file = new URL(name, out);
  if (process.argv.includes("--check")) {
    if ((await readFile(file, "utf8")) !== text) {
      console.error(`dist/${name} is not what its sources give; run: npm run build`);
      process.exitCode = 1;
    }
  } else {
    await writeFile(file, text);
    console.log(`dist/${name}: ${Buffer.byteLength(text)} bytes`);
  }
}

/** The files of which something is left after what is unused was dropped. */
function inBundle({ outputs }) {
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file));
}

/** The licence of each package in the bundle, which its authors ask to keep with it. */
async function licences(inputs) {
  const packages = new Set(inputs.map((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]).filter(Boolean));
  const texts = [];
  for (const name of [...packages].sort()) {
    const files = new URL(`node_modules/${name}/`, here);
    const { version, license } = JSON.parse(await readFile(new URL("package.json", files), "utf8"));
    const text = (await readFile(new URL("LICENSE", files), "utf8")).trim();
    if (text.includes("*/")) throw new Error(`the licence of ${name} would end the comment`);
    texts.push(`${name} ${version} (${license})\n\n${text}`);
  }
  return `/*!\nContains:\n\n${texts.join("\n\n----\n\n")}\n*/\n`.replace(/[^\x00-\x7f]/g, "?");
}
