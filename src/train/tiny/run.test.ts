import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDevice } from "../../device/open.ts";
import { openCheckpoint } from "../../model/open.ts";
import { VirtualClock } from "../../time/virtual-clock.ts";
import type { TrainEvent } from "../engine.ts";
import { chatTemplate } from "./format.ts";
import { trainTiny } from "./run.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-tiny-"));
after(() => rmSync(place, { recursive: true, force: true }));

test("stopped and continued it ends with the bits of one go, in a file that is served", async () => {
  const device = await openDevice(undefined, { threads: 1, scratchBytes: 1 << 20 });
  after(() => device.close());
  const go = (folder: string, stopAfter?: number) => {
    const stopping = new AbortController();
    const events: TrainEvent[] = [];
    const observe = (event: TrainEvent): void => {
      events.push(event);
      if (event.kind === "step" && event.step === stopAfter) stopping.abort();
    };
    const options = {
      device,
      clock: new VirtualClock(),
      steps: 3,
      signal: stopping.signal,
      observe,
      warn: assert.fail,
    };
    return trainTiny({ ...options, folder: join(place, folder) }).then((trained) => ({ ...trained, events }));
  };
  const whole = await go("whole");
  assert.equal((await go("parts", 2)).outcome.why, "stopped");
  const rest = await go("parts");
  assert.deepEqual(rest.events[0], { kind: "resumed", step: 2 });
  assert.ok(Buffer.concat(whole.file).equals(Buffer.concat(rest.file)));
  const losses = whole.events.flatMap((event) => (event.kind === "step" ? [event.metrics.loss] : []));
  assert.ok(losses.length === 3 && losses[2]! < losses[0]!, `${losses}`);

  const path = join(place, "tiny.gguf");
  writeFileSync(path, Buffer.concat(whole.file));
  const checkpoint = await openCheckpoint(path);
  after(() => checkpoint.close());
  assert.equal(checkpoint.chatTemplate, chatTemplate);
  assert.equal(checkpoint.config.vocabulary, checkpoint.tokenizer.vocabulary);
});
