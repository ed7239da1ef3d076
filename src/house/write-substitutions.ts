/**
 * `node dist/house/write-substitutions.js`: generates the substitutions of `compile/pass/taso` again, and writes those that the IR
 * can express. It takes a quarter of a minute, and says what was found on the way.
 */
import { writeFileSync } from "node:fs";
import { generate } from "../compile/pass/taso/generate.ts";
import { ruleOf } from "../compile/pass/taso/match.ts";
import { write } from "../compile/pass/taso/notation.ts";
import { spaces } from "../compile/pass/taso/spaces.ts";
import { sourceRoot } from "./sources.ts";

const { graphs, candidates, verified, proved, general } = generate(spaces);
const lines = general.filter((s) => ruleOf(s) !== undefined).map(write);
const text = `// Written by \`node dist/house/write-substitutions.js\` from the graphs of \`spaces.ts\`.
import { read } from "./notation.ts";

export const substitutions = [
${lines.map((line) => `  "${line}",`).join("\n")}
].map(read);
`;
writeFileSync(new URL("compile/pass/taso/substitutions.ts", sourceRoot), text);
console.log(
  `${graphs} graphs; ${candidates} pairs, ${verified} hold over other shapes, ${proved} proved, ` +
    `${general.length} say something new, ${lines.length} the IR can express`,
);
