/**
 * A program as text, one call a line, its arguments in the order in which the kernel takes them:
 *
 *     7: linear-Q5_0-1024x640 T·32 (b2, layer.0.attention.query) → b5; barrier
 */
import type { Argument, Call } from "./lower.ts";
import type { Program } from "./schedule.ts";

export function printProgram(program: Program): string {
  const { buffers, offsets, calls, kernels, outputs, arenaBytes } = program;
  const places = buffers.map(
    ({ rows, rowBytes }, id) => `b${id}: ${rows} rows of ${rowBytes} bytes at ${offsets[id]!} of ${arenaBytes}`,
  );
  const lines = calls.map((call, i) => {
    const read = call.args.filter((a) => !isWritten(a)).map(show);
    const written = call.args.filter(isWritten).map(show);
    const result = written.length === 0 ? "" : ` → ${written.join(", ")}`;
    const barrier = call.barrier ? "; barrier" : "";
    return `${i}: ${kernels[call.kernel]!.name} ${itemsOf(call)} (${read.join(", ")})${result}${barrier}`;
  });
  const returned = Object.entries(outputs).map(([name, id]) => `return ${name} = b${id}`);
  return [...places, ...lines, ...returned].join("\n");
}

const isWritten = (a: Argument): boolean => (a.kind === "buffer" || a.kind === "partials") && a.written;

/** Work items: so many for each row. */
function itemsOf({ items: { dim, times, shared } }: Call): string {
  return [String(dim), ...(times === 1 ? [] : [String(times)]), ...(shared ? ["shares"] : [])].join("·");
}

function show(a: Argument): string {
  switch (a.kind) {
    case "buffer":
      return a.offset === undefined ? `b${a.id}` : `b${a.id}+${a.offset}`;
    case "weight":
    case "input":
      return a.name;
    case "cache":
      return `${a.part} of layer ${a.layer}`;
    case "rope":
      return `rope of ${a.width}`;
    case "count":
      return `${a.dim} rows`;
    default:
      return a.kind;
  }
}
