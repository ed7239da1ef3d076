import assert from "node:assert/strict";
import { test } from "node:test";
import { openLevels } from "../../test/kernel-rig.ts";
import { openCopyEngine } from "./copy-engine.ts";

const { devices } = await openLevels();

for (const device of devices) {
  test(`copies move bytes out and back no faster than they may, each direction in order, on ${device.level}`, async () => {
    const bytes = 1 << 20;
    const arena = device.alloc(bytes);
    const rate = { bytesPerSecond: 2e7, latencySeconds: 1e-3 };
    const engine = await openCopyEngine(device, arena, bytes, rate);
    const all = new Uint8Array(arena.buffer, arena.offset, bytes);
    all.forEach((_, i) => {
      all[i] = i % 251;
    });
    const half = bytes / 2;
    const began = performance.now();
    const outs = [engine.copy("out", 0, half, half), engine.copy("out", half, 0, half)];
    engine.wait(outs[1]!);
    const seconds = (performance.now() - began) / 1e3;
    assert.ok(engine.done(outs[0]!), "the first ends before the second");
    const least = 2 * (half / rate.bytesPerSecond + rate.latencySeconds);
    assert.ok(seconds >= 0.999 * least, `${seconds} s, at least ${least}`);
    all.fill(0);
    // Halves come back exchanged: their places on the host were.
    const ticket = engine.copy("in", 0, 0, bytes);
    engine.wait(ticket);
    assert.ok(all.every((x, i) => x === ((i + half) % bytes) % 251));
    await engine.close();
    device.free(arena);
  });
}

for (const device of devices) {
  test(`more copies than the ring has places are all done, on ${device.level}`, async () => {
    const arena = device.alloc(64);
    const engine = await openCopyEngine(device, arena, 64, { bytesPerSecond: 1e9, latencySeconds: 0 });
    const first = engine.copy("out", 0, 0, 64);
    let last = first;
    for (let i = 0; i < 1500; i++) last = engine.copy("out", 0, 0, 64);
    engine.wait(last);
    assert.ok(engine.done(first) && engine.done(last));
    await engine.close();
    device.free(arena);
  });
}

test.after(async () => {
  for (const device of devices) await device.close();
});
