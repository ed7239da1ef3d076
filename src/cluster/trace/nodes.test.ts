import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { nodesInWords, readNodes } from "./nodes.ts";

function file(context: TestContext, content: string): string {
  const place = mkdtempSync(join(tmpdir(), "heddle-nodes-"));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  writeFileSync(join(place, "nodes"), content);
  return join(place, "nodes");
}

test("groups of nodes", () => {
  const nodes = readNodes("2x4:v100,1x8:a100-80");
  assert.deepEqual(nodes, [
    { id: "node0", type: "v100", gpus: 4 },
    { id: "node1", type: "v100", gpus: 4 },
    { id: "node2", type: "a100-80", gpus: 8 },
  ]);
  assert.equal(nodesInWords(nodes), "2 nodes of 4 v100, 1 node of 8 a100-80");
  assert.deepEqual(readNodes("1x2"), [{ id: "node0", type: "gpu", gpus: 2 }]);
  assert.throws(() => readNodes("0x4:v100"), { name: "UserError", message: /no GPUs/ });
  assert.throws(() => readNodes("4 nodes"), {
    name: "UserError",
    message: /no list of nodes, and there is no such file/,
  });
});

test("a cluster of Tiresias: switches over nodes", (context) => {
  const header = "num_switch,num_node_p_switch,num_gpu_p_node,num_cpu_p_node,mem_p_node";
  const nodes = readNodes(file(context, `${header}\n2,3,4,40,256\n`));
  assert.equal(nodes.length, 6);
  const memoryBytes = 256 * 1024 ** 3;
  assert.deepEqual(nodes[5], { id: "node5", type: "gpu", gpus: 4, cpus: 40, memoryBytes, topology: ["switch1"] });
  assert.throws(() => readNodes(file(context, `${header}\n2,x,4,40,256\n`)), /line 2: num_node_p_switch is "x"/);
});

test("lists of Alibaba, Philly and Slurm", (context) => {
  const alibaba = "sn,cpu_milli,memory_mib,gpu,model\nn1,64000,1024,2,P100\nn2,32000,1024,0,\n";
  assert.deepEqual(readNodes(file(context, alibaba)), [
    { id: "n1", type: "P100", gpus: 2, cpus: 64, memoryBytes: 1024 ** 3 },
    { id: "n2", type: "cpu", gpus: 0, cpus: 32, memoryBytes: 1024 ** 3 },
  ]);
  const philly = "machineId,number of GPUs,single GPU mem\nm1,2, 12GB\nm2,8, 24GB\n";
  assert.deepEqual(readNodes(file(context, philly)), [
    { id: "m1", type: "12GB", gpus: 2 },
    { id: "m2", type: "24GB", gpus: 8 },
  ]);
  const sinfo = "NODELIST|GRES|CPUS|MEMORY\nc1|gpu:v100:4|16|1024\nc1|gpu:v100:4|16|1024\nc2|(null)|8|512\n";
  assert.deepEqual(readNodes(file(context, sinfo)), [
    { id: "c1", type: "v100", gpus: 4, cpus: 16, memoryBytes: 1024 ** 3 },
    { id: "c2", type: "cpu", gpus: 0, cpus: 8, memoryBytes: 2 ** 29 },
  ]);
});

test("documents, in YAML or JSON", (context) => {
  const yaml = "nodes:\n  - {id: a, type: v100, gpus: 4, topology: [rack0]}\n  - {count: 2, gpus: 1}\n";
  assert.deepEqual(readNodes(file(context, yaml)), [
    { id: "a", type: "v100", gpus: 4, topology: ["rack0"] },
    { id: "node1-0", type: "gpu", gpus: 1 },
    { id: "node1-1", type: "gpu", gpus: 1 },
  ]);
  assert.deepEqual(readNodes(file(context, '[{"id":"b","type":"t4","gpus":2}]')), [{ id: "b", type: "t4", gpus: 2 }]);
  assert.throws(() => readNodes(file(context, "- {id: a, gpus: many}")), /no file of nodes: at 0\.gpus/);
  assert.throws(() => readNodes(file(context, "- {id: a, gpu: 1, gpus: 1}")), { name: "UserError" });
  assert.throws(() => readNodes(file(context, "- {id: a, gpus: 0}")), /lists 1 nodes, and no GPU among them/);
});

test("what is no cluster is said", (context) => {
  assert.throws(() => readNodes("100000000x8"), /100000000 nodes, more than 1000000/);
  assert.throws(() => readNodes("2x100000"), /100000 GPUs in a node/);
  assert.throws(() => readNodes(tmpdir()), /it cannot be read: EISDIR/);
  assert.throws(
    () => readNodes(file(context, "[{id: a, gpus: 1}, {id: b, gpus: 1}, {id: a, gpus: 2}]")),
    /node a twice/,
  );
  const short = "machineId,number of GPUs,single GPU mem\n\nm1,2\nm2\n";
  assert.throws(() => readNodes(file(context, short)), /line 4: number of GPUs is empty/);
  const open = 'machineId,number of GPUs\n"m1,2\n';
  assert.throws(() => readNodes(file(context, open)), { name: "UserError", message: /no table of nodes: Quote Not/ });
});
