/**
 * What a report holds of a replay: columns of numbers, since there may be a hundred thousand jobs and many times more runs.
 *
 *     replay ─► Report ─► packed: JSON of names ‖ columns ─► gzip, base64 ─► page ─► unpacked ─► Report
 */

/** Jobs in the order of their submission; what a trace says of them. */
export interface ReportJobs {
  readonly ids: readonly string[];
  /** Seconds since the trace began. */
  readonly submit: Float64Array;
  readonly gpus: Uint32Array;
  /** Indexes into `Report.tenants` and `Report.classes`. */
  readonly tenant: Uint32Array;
  readonly class: Uint32Array;
}

/**
 * What became of the jobs under one policy. Runs are in the order of their starts; run `r` holds shares `first[r]` to `first[r + 1]`,
 * each some GPUs of a node.
 */
export interface ReportPolicy {
  readonly name: string;
  /** First start, and end; NaN for a job that had none. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Starts after the first. */
  readonly restarts: Uint32Array;
  /** Finish-time fairness: what it took, over what a fair share of the cluster would have taken; NaN where that is not known. */
  readonly rho: Float64Array;
  /** GPU-seconds held; those of GPUs that several jobs share, in equal parts. */
  readonly held: Float64Array;
  readonly runJob: Uint32Array;
  readonly runStart: Float64Array;
  readonly runEnd: Float64Array;
  /** Jobs on the same GPUs, itself included, when it started. */
  readonly runSharers: Uint32Array;
  readonly first: Uint32Array;
  readonly shareNode: Uint32Array;
  readonly shareGpus: Uint32Array;
  /** Runs of a job on the same GPUs are drawn as one where less than this many seconds lie between them; 0 where all are kept. */
  readonly coarseSeconds: number;
}

export interface Report {
  /** For example "philly.csv". */
  readonly trace: string;
  readonly format: string;
  /** Seconds since 1970 at which the trace begins, 0 where its times are of its own. */
  readonly origin: number;
  /** "16 nodes of 4 v100". */
  readonly cluster: string;
  readonly nodes: readonly string[];
  readonly nodeGpus: Uint32Array;
  readonly tenants: readonly string[];
  readonly classes: readonly string[];
  /** What a reader should know: rows passed over, jobs left out. */
  readonly notes: readonly string[];
  /** How the jobs ran, for example "run on slurm"; replayed in virtual time where it is absent. */
  readonly how?: string;
  readonly jobs: ReportJobs;
  readonly policies: readonly ReportPolicy[];
}

type Column = Float64Array | Uint32Array;

/** Where a column lies among the bytes; times of runs are kept in half the bits, to a second in a hundred days. */
interface Place {
  readonly kind: "f64" | "f32" | "u32" | "u16" | "u8";
  readonly offset: number;
  readonly length: number;
}

const halved = new Set(["runStart", "runEnd", "rho"]);

/** A report as bytes: the length of its JSON, the JSON, and the columns it names by offset. */
export function packReport(report: Report): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  const json = JSON.stringify(report, (name, value: unknown) => {
    if (!(value instanceof Float64Array || value instanceof Uint32Array)) return value;
    const [kind, narrow] = narrowed(name, value);
    const bytes = new Uint8Array(narrow.buffer, narrow.byteOffset, narrow.byteLength);
    const place: Place = { kind, offset: size, length: value.length };
    parts.push(bytes);
    size += Math.ceil(bytes.length / 8) * 8;
    return { column: place };
  });
  const head = new TextEncoder().encode(json);
  const start = columnsStart(head.length);
  const packed = new Uint8Array(start + size);
  new DataView(packed.buffer).setUint32(0, head.length, true);
  packed.set(head, 4);
  let at = start;
  for (const part of parts) {
    packed.set(part, at);
    at += Math.ceil(part.length / 8) * 8;
  }
  return packed;
}

const columnsStart = (headBytes: number): number => Math.ceil((4 + headBytes) / 8) * 8;

function narrowed(name: string, column: Column): [Place["kind"], Column | Float32Array | Uint16Array | Uint8Array] {
  if (column instanceof Float64Array) return halved.has(name) ? ["f32", Float32Array.from(column)] : ["f64", column];
  let most = 0;
  for (const value of column) if (value > most) most = value;
  if (most < 256) return ["u8", Uint8Array.from(column)];
  return most < 65_536 ? ["u16", Uint16Array.from(column)] : ["u32", column];
}

/** What `packReport` made. */
export function unpackReport(packed: Uint8Array): Report {
  const { buffer, byteOffset } = packed;
  const headBytes = new DataView(buffer, byteOffset).getUint32(0, true);
  const start = columnsStart(headBytes);
  const read = ({ kind, offset, length }: Place): Column => {
    const bytes = packed.slice(start + offset, start + offset + length * widths[kind]).buffer;
    if (kind === "f64") return new Float64Array(bytes);
    if (kind === "f32") return Float64Array.from(new Float32Array(bytes));
    if (kind === "u32") return new Uint32Array(bytes);
    return Uint32Array.from(kind === "u16" ? new Uint16Array(bytes) : new Uint8Array(bytes));
  };
  const json = new TextDecoder().decode(packed.subarray(4, 4 + headBytes));
  return JSON.parse(json, (_, value: unknown) => (isPlaced(value) ? read(value.column) : value)) as Report;
}

const widths: Readonly<Record<Place["kind"], number>> = { f64: 8, f32: 4, u32: 4, u16: 2, u8: 1 };

const isPlaced = (value: unknown): value is { readonly column: Place } =>
  typeof value === "object" && value !== null && "column" in value;
