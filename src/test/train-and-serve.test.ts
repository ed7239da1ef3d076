/** One process trains and serves at once, through what `import "heddle"` gives: neither changes a bit of the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { shippedModel } from "../cli/cache.ts";
import { createServer, loadRunner, manualSeed, nn, openCheckpoint, openService, optim, rand, tidy } from "../index.ts";

const steps = 40;

/** A network that learns where a point lies; a turn of the event loop after each step. Gives the bits that it ends with. */
async function trained(between: (step: number) => void): Promise<readonly Uint32Array[]> {
  manualSeed(3);
  const model = new nn.Sequential(new nn.Linear(2, 64), new nn.ReLU(), new nn.Linear(64, 2));
  const training = new optim.TrainStep(model, optim.adamW({ lr: 0.01 }), (points, inside) =>
    nn.crossEntropy(model.forward(points), inside),
  );
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) {
    tidy(() => {
      const points = rand([256, 2], { seed: step }).mul(2).sub(1);
      const inside = points.square().sum(1).lt(0.5).to("i32");
      losses.push(training.step(points, inside).item());
    });
    between(step);
    await setImmediate();
  }
  assert.ok(losses.at(-1)! < 0.9 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  return Object.values(model.parameters()).map((p) => new Uint32Array(Float32Array.from(p.data()).buffer));
}

const questions = ["What is 34 + 25?", "Tell me a short story about a fox.", "How much is 80 minus 17?"];

test("training beside a server that answers: both give what each gives alone", async () => {
  const checkpoint = await openCheckpoint(shippedModel.path);
  const runner = await loadRunner(checkpoint, { threads: 2 });
  const slots = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "none" };
  const service = await openService({ checkpoint, runner, ...slots });
  const server = createServer({ service });
  const url = await server.listen("127.0.0.1", 0);
  const ask = async (content: string): Promise<string> => {
    const body = JSON.stringify({ model: checkpoint.name, messages: [{ role: "user", content }], temperature: 0 });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
    assert.equal(answer.status, 200);
    const { choices } = (await answer.json()) as { choices: { message: { content: string } }[] };
    return choices[0]!.message.content;
  };
  try {
    const parametersAlone = await trained(() => {});
    const answersAlone = await Promise.all(questions.map(ask));
    assert.equal(answersAlone[0], "34 + 25 = 54 + 5 = 59.");

    const asked: Promise<string>[] = [];
    let busy = 0;
    const parameters = await trained((step) => {
      if (step === 1) asked.push(...questions.map(ask));
      if (service.status().running > 0) busy++;
    });
    assert.ok(busy > 2, `requests ran beside ${busy} of ${steps} steps`);
    assert.deepEqual(await Promise.all(asked), answersAlone);
    assert.deepEqual(parameters, parametersAlone);
  } finally {
    await server.drain();
    await service.close();
    await runner.close();
    checkpoint.close();
  }
});
