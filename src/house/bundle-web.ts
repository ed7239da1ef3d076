/**
 * Part of `npm run build`: programs of pages, one script and one style each, in `dist/web`. They are written into the pages that the
 * command line makes, so nothing is loaded from anywhere.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const source = fileURLToPath(new URL("../../src/web/", import.meta.url));
const out = fileURLToPath(new URL("../web/", import.meta.url));

mkdirSync(out, { recursive: true });
for (const page of ["cluster-report"]) {
  const result = await build({
    configFile: false,
    root: source,
    publicDir: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      cssCodeSplit: false,
      rolldownOptions: { input: `${source}${page}/main.ts`, output: { format: "esm", codeSplitting: false } },
    },
  });
  const parts = [result].flat().flatMap((part) => ("output" in part ? part.output : []));
  const script = parts.find((part) => part.type === "chunk");
  const style = parts.find((part) => part.type === "asset" && part.fileName.endsWith(".css"));
  if (parts.length !== 2 || script?.type !== "chunk" || style?.type !== "asset") {
    throw new Error(`${page} has ${parts.length} parts, not a script and a style`);
  }
  // In a page, these would end the element that holds them.
  writeFileSync(`${out}${page}.js`, script.code.replaceAll("</script", "<\\/script"));
  writeFileSync(`${out}${page}.css`, String(style.source).replaceAll("</style", "<\\/style"));
}
