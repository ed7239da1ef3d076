/**
 * Times fp32 matrix products of tfjs-wasm and ONNX Runtime Web for `npm run bench -- wasm`: a line of JSON in, a line out.
 *
 *     {"prepare": {"library": "ort", "m": 512, "n": 512, "k": 512, "threads": 2}}  →  {"peer", "how", "prepacked"}
 *     {"time": true}                                                              →  {"seconds": …}
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = process.env.HEDDLE_PEER_PACKAGES;
const require = createRequire(join(packages, "package.json"));
const secondsMin = 0.1;

/** Both write notices to the console, which is where answers go. */
console.log = console.info = console.warn = (...words) => process.stderr.write(`${words.join(" ")}\n`);

const noise = (count) => Float32Array.from({ length: count }, () => 2 * Math.random() - 1);
const versionOf = (name) => require(join(packages, "node_modules", name, "package.json")).version;

async function tfjs({ m, n, k }) {
  const tf = require("@tensorflow/tfjs-core");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(join(packages, "node_modules/@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const x = tf.tensor2d(noise(m * k), [m, k]);
  const w = tf.tensor2d(noise(k * n), [k, n]);
  return {
    peer: `tfjs-wasm ${versionOf("@tensorflow/tfjs-backend-wasm")}`,
    how: "matMul, SIMD, one thread (it has no threads in Node)",
    prepacked: false,
    run: async () => tf.matMul(x, w).dispose(),
    release: async () => tf.dispose([x, w]),
  };
}

async function ort({ m, n, k, threads }) {
  const found = await import(pathToFileURL(join(packages, "node_modules/onnxruntime-web/dist/ort.node.min.mjs")).href);
  const runtime = found.default ?? found;
  runtime.env.wasm.numThreads = threads;
  runtime.env.logLevel = "error";
  const session = await runtime.InferenceSession.create(matMulModel(m, n, k), { executionProviders: ["wasm"] });
  const feeds = { x: new runtime.Tensor("float32", noise(m * k), [m, k]) };
  return {
    peer: `ONNX Runtime Web ${versionOf("onnxruntime-web")}`,
    how: `MatMul with constant weights, prepacked, ${threads} threads`,
    prepacked: true,
    run: () => session.run(feeds),
    release: () => session.release(),
  };
}

/** Protocol buffers, as far as ONNX needs them: numbers, and bytes with their length. */
function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
function bytes(field, ...parts) {
  const all = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  return Buffer.concat([varint(field * 8 + 2), varint(all.length), all]);
}

/** An ONNX model of one MatMul whose right side is an initializer, which the runtime packs once. */
function matMulModel(m, n, k) {
  const float = 1;
  const weights = noise(k * n);
  const tensor = bytes(
    5,
    number(1, k),
    number(1, n),
    number(2, float),
    bytes(8, "w"),
    bytes(9, Buffer.from(weights.buffer)),
  );
  const shape = (rows, columns) => bytes(2, bytes(1, number(1, rows)), bytes(1, number(1, columns)));
  const value = (field, name, rows, columns) =>
    bytes(field, bytes(1, name), bytes(2, bytes(1, number(1, float), shape(rows, columns))));
  const node = bytes(1, bytes(1, "x"), bytes(1, "w"), bytes(2, "y"), bytes(4, "MatMul"));
  const graph = bytes(7, node, bytes(2, "product"), tensor, value(11, "x", m, k), value(12, "y", m, n));
  return Buffer.concat([number(1, 8), graph, bytes(8, bytes(1, ""), number(2, 17))]);
}

async function secondsOf(run) {
  const began = performance.now();
  for (let count = 1; ; count++) {
    await run();
    const seconds = (performance.now() - began) / 1000;
    if (seconds >= secondsMin) return seconds / count;
  }
}

const libraries = { tfjs, ort };
let ready;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { prepare } = JSON.parse(line);
    if (prepare === undefined) answer = { seconds: await secondsOf(ready.run) };
    else {
      await ready?.release();
      ready = await libraries[prepare.library](prepare);
      await ready.run();
      answer = { peer: ready.peer, how: ready.how, prepacked: ready.prepacked };
    }
  } catch (error) {
    answer = { error: `${error?.stack ?? error}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
// Threads of a runtime may outlive its sessions.
process.exit(0);
