/**
 * Part of `npm run build`: the program of `heddle` as one file, `dist/cli/bundle.cjs`, made of the modules in `dist`.
 *
 * A module in it still finds what lies beside its own file. The compiler's hash is computed here, once, and not at each start.
 */
import { writeFileSync } from "node:fs";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";
import { compilerHash } from "../device/compiler-hash.ts";
import "./bundle-web.ts";

const dist = fileURLToPath(new URL("../", import.meta.url));
const cli = fileURLToPath(new URL("../cli/", import.meta.url));

const places: Plugin = {
  name: "places",
  transform(code, id) {
    if (!id.startsWith(dist)) return null;
    const path = relative(dist, id).split(sep).join("/");
    if (path === "device/compiler-hash.js") {
      return `export const compilerHash = () => ${JSON.stringify(compilerHash())};`;
    }
    const here = `new URL(${JSON.stringify(`../${path}`)}, bundleUrl).href`;
    return code.includes("import.meta.url") ? code.replaceAll("import.meta.url", here) : null;
  },
};

const result = await build({
  configFile: false,
  root: dist,
  publicDir: false,
  logLevel: "error",
  plugins: [places],
  ssr: { noExternal: true, external: ["koffi", "highs", "@kubernetes/client-node"] },
  build: {
    ssr: `${cli}program.js`,
    write: false,
    minify: false,
    target: "node20",
    rolldownOptions: {
      output: { format: "cjs", codeSplitting: false, dynamicImportInCjs: false },
    },
  },
});
const chunks = [result].flat().flatMap((part) => ("output" in part ? part.output : []));
if (chunks.length !== 1 || chunks[0]?.type !== "chunk")
  throw new Error(`the bundle has ${chunks.length} parts, not one`);
const text = `const exports = {};
${chunks[0].code}
exports.runProgram();
`;
// In ASCII alone it is read without being decoded: whatever is not stands in a comment, a string or an expression.
const ascii = text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
writeFileSync(`${cli}bundle.cjs`, ascii);
