#!/usr/bin/env node
/** `heddle`: from the bundle that `npm run build` makes of everything, or else module by module. */
import { runBundle } from "./bundle.ts";

if (!runBundle()) await (await import("./program.ts")).runProgram();
