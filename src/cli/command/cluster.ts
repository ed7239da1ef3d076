/** `heddle cluster`: what schedules machines. Each of its commands is a file beside this one. */
import type { Command } from "commander";
import * as cells from "./cluster-cells.ts";
import * as replay from "./cluster-replay.ts";
import * as run from "./cluster-run.ts";
import * as why from "./cluster-why.ts";

export function define(command: Command): void {
  replay.define(command.command("replay").description("replay a trace of jobs under several schedulers"));
  run.define(command.command("run").description("schedule the jobs of a trace on a real cluster"));
  cells.define(command.command("cells").description("show what a configuration of HiveD's does with its jobs"));
  why.define(command.command("why").description("tell why a job waited"));
}
