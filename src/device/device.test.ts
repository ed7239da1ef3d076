/** What every device promises: memory, launch lists, barriers, chunks, and threads that leave JavaScript alone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, describe, test } from "node:test";
import type { TileProgram } from "../compile/tile.ts";
import { at, TileBuilder } from "../compile/tile-builder.ts";
import { UserError } from "../core/errors.ts";
import { openLevels } from "../test/kernel-rig.ts";
import { Allocator } from "./allocator.ts";
import { type Device, type Region, record, type Span } from "./device.ts";
import { openDevice } from "./open.ts";
import { openWasm } from "./wasm.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

interface Launched {
  readonly kernel: number;
  readonly args: readonly number[];
  readonly items: number;
  readonly chunk: number;
  readonly barrier: boolean;
  /** The first item. */
  readonly from?: number;
  /** The only thread that may do it, from 0 on. */
  readonly thread?: number;
  /** Records before it that must be done. */
  readonly after?: readonly number[];
}

async function launch(device: Device, list: readonly Launched[]): Promise<void> {
  const records = device.alloc(list.length * record.stride);
  const view = new DataView(records.buffer, records.offset, records.bytes);
  const regions = list.flatMap(({ kernel, args, items, chunk, barrier, from = 0, thread = -1, after = [] }, i) => {
    const parameters = device.alloc(8 * args.length);
    const words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
    for (const [n, x] of args.entries()) words.setBigUint64(8 * n, BigInt(x), true);
    view.setBigUint64(i * record.stride + record.kernel, BigInt(kernel), true);
    view.setBigUint64(i * record.stride + record.args, BigInt(parameters.address), true);
    view.setInt32(i * record.stride + record.items, items, true);
    view.setInt32(i * record.stride + record.chunk, chunk, true);
    view.setInt32(i * record.stride + record.barrier, barrier ? 1 : 0, true);
    view.setInt32(i * record.stride + record.counter, from, true);
    view.setInt32(i * record.stride + record.thread, thread + 1, true);
    view.setInt32(i * record.stride + record.signals, list.some((other) => other.after?.includes(i)) ? 1 : 0, true);
    view.setInt32(i * record.stride + record.remaining, items - from, true);
    if (after.length === 0) return [parameters];
    const waits = device.alloc(8 * (after.length + 1));
    const distances = new DataView(waits.buffer, waits.offset, waits.bytes);
    for (const [n, r] of after.entries()) distances.setBigInt64(8 * n, BigInt((r - i) * record.stride), true);
    view.setBigUint64(i * record.stride + record.waits, BigInt(waits.address), true);
    return [parameters, waits];
  });
  try {
    await device.run(records, list.length);
  } finally {
    for (const region of [records, ...regions]) device.free(region);
  }
}

const ints = (region: Region): Int32Array => new Int32Array(region.buffer, region.offset, region.bytes / 4);

function kernel(device: Device, write: (b: TileBuilder) => void): number {
  const b = new TileBuilder(device.target);
  write(b);
  return device.install([b.finish("test")])[0]!;
}

/** counts[item] += 1, begins[item] = begin. */
const claim = (b: TileBuilder): void => {
  const [counts, begins] = [b.param(), b.param()];
  b.for(b.begin, b.end, 1, (item) => {
    b.storeInt(at(counts, 0, item, 4), b.add(b.loadInt(at(counts, 0, item, 4)), 1));
    b.storeInt(at(begins, 0, item, 4), b.begin);
  });
};

/** to[item] = from[(37 item + 11) mod n] + 1: each item needs what another thread made. */
const shuffle = (b: TileBuilder): void => {
  const [from, to, n] = [b.param(), b.param(), b.param()];
  b.for(b.begin, b.end, 1, (item) => {
    const index = b.rem(b.add(b.mul(item, 37), 11), n);
    b.storeInt(at(to, 0, item, 4), b.add(b.loadInt(at(from, 0, index, 4)), 1));
  });
};

/** Keeps a thread busy for `turns` turns an item. */
const spin = (b: TileBuilder): void => {
  const [to, turns] = [b.param(), b.param()];
  b.for(b.begin, b.end, 1, (item) => {
    const x = b.int(item);
    b.for(0, turns, 1, () => b.and(b.add(b.mul(x, 5), 3), 0xffff, x));
    b.storeInt(at(to, 0, item, 4), x);
  });
};

for (const device of devices) {
  describe(device.level, () => {
    test("memory is zeroed and aligned, also when it was used before", () => {
      const first = device.alloc(1000);
      new Uint8Array(first.buffer, first.offset, 1000).fill(1);
      device.free(first);
      const regions = [device.alloc(1000), device.alloc(1), device.alloc(65)];
      for (const { address, buffer, offset, bytes } of regions) {
        assert.equal(address % 64, 0);
        assert.ok(new Uint8Array(buffer, offset, bytes).every((b) => b === 0));
        new Uint8Array(buffer, offset, bytes).fill(255);
      }
      for (const region of regions) device.free(region);
    });

    test("a timed run does the same work, and its spans follow each other on each thread", async () => {
      const timed = await openDevice(device.level, { threads: 2, scratchBytes: 1024, timed: true });
      const items = 100;
      const [counts, begins] = [timed.alloc(4 * items), timed.alloc(4 * items)];
      const [fast, slow] = [kernel(timed, claim), kernel(timed, spin)];
      const short = { kernel: fast, args: [counts.address, begins.address], items, chunk: 7, barrier: true };
      const long = { kernel: slow, args: [begins.address, 600_000], items: 2, chunk: 1, barrier: true };
      const list = [short, long, { ...short, barrier: false }];
      let spans: readonly Span[] = [];
      const recording = {
        ...timed,
        run: async (...run: Parameters<Device["run"]>) => {
          const wall = performance.now();
          spans = await timed.timedRun!(...run);
          const elapsed = (performance.now() - wall) / 1000;
          assert.ok(
            spans.every(({ end }) => end <= elapsed * 1.01),
            `a run of ${elapsed} s; ${JSON.stringify(spans)}`,
          );
        },
      };
      // A run that nobody times works on such a device too; here it warms up what is timed next.
      await launch(timed, list);
      await launch(recording, list);
      assert.ok(ints(counts).every((n) => n === 4));
      // 600,000 turns of a chain of three cycles or more (engines fold it), at no more than 6 GHz.
      assert.ok(
        spans.some((s) => s.record === 1 && s.worked - s.begin > 2.5e-4),
        JSON.stringify(spans),
      );
      assert.equal(spans.length, 3 * timed.threads);
      for (let thread = 0; thread < timed.threads; thread++) {
        const own = spans.filter((s) => s.thread === thread);
        assert.deepEqual(
          own.map((s) => s.record),
          [0, 1, 2],
        );
        for (const [i, { begin, worked, end }] of own.entries()) {
          assert.ok(begin <= worked && worked <= end && (i === 0 || own[i - 1]!.end <= begin), JSON.stringify(own));
        }
      }
      await timed.close();
    });

    test("no kernels are installed as none", () => assert.deepEqual(device.install([]), []));

    test("each item is done once, in chunks, the last one cut off", async () => {
      const items = 1000;
      // Room behind the last item shows a chunk that runs past it.
      const [counts, begins] = [device.alloc(4 * items + 64), device.alloc(4 * items + 64)];
      const args = [counts.address, begins.address];
      await launch(device, [{ kernel: kernel(device, claim), args, items, chunk: 7, barrier: false }]);
      assert.ok(ints(counts).every((n, i) => n === (i < items ? 1 : 0)));
      // The reference does a list's items in one piece.
      const chunk = device.level === "reference" ? items : 7;
      assert.ok(ints(begins).every((n, i) => n === (i < items ? Math.floor(i / chunk) * chunk : 0)));
      for (const region of [counts, begins]) device.free(region);
    });

    const withThreads = device.threads > 1 ? test : undefined;
    withThreads?.("no thread passes a barrier while another still works", async () => {
      const [flags, seen] = [device.alloc(64), device.alloc(64)];
      // The first item takes long, so that whoever took the second is at the barrier well before it is done.
      const slow = kernel(device, (b) => {
        const [to, turns] = [b.param(), b.param()];
        b.for(b.begin, b.end, 1, (item) => {
          const x = b.int(item);
          b.if(item, "eq", 0, () => b.for(0, turns, 1, () => b.and(b.add(b.mul(x, 5), 3), 0xffff, x)));
          b.storeInt(at(to, 0, item, 4), b.max(b.min(x, 1), 1));
        });
      });
      const read = kernel(device, (b) => {
        const [from, to] = [b.param(), b.param()];
        b.for(b.begin, b.end, 1, (item) => b.storeInt(at(to, 0, item, 4), b.loadInt(at(from, 0, item, 4))));
      });
      for (let round = 0; round < 3; round++) {
        ints(flags).fill(0);
        ints(seen).fill(0);
        await launch(device, [
          { kernel: slow, args: [flags.address, 20_000_000], items: 2, chunk: 1, barrier: true },
          { kernel: read, args: [flags.address, seen.address], items: 2, chunk: 1, barrier: false },
        ]);
        assert.deepEqual([...ints(seen).subarray(0, 2)], [1, 1]);
      }
      for (const region of [flags, seen]) device.free(region);
    });

    test("records depend on those before them; without barriers a list still ends complete", async () => {
      const [n, rounds] = [101, 300];
      const buffers = [device.alloc(4 * n), device.alloc(4 * n)] as const;
      let wanted = Array.from({ length: n }, (_, i) => i * 1000);
      ints(buffers[0]).set(wanted);
      const handle = kernel(device, shuffle);
      const list = Array.from({ length: rounds }, (_, i) => ({
        kernel: handle,
        args: [buffers[i % 2]!.address, buffers[(i + 1) % 2]!.address, n],
        items: n,
        chunk: 1 + (i % 5),
        barrier: true,
      }));
      await launch(device, list);
      for (let i = 0; i < rounds; i++) wanted = wanted.map((_, item) => wanted[(item * 37 + 11) % n]! + 1);
      assert.deepEqual([...ints(buffers[rounds % 2]!).subarray(0, n)], wanted);

      const outputs = Array.from({ length: 20 }, () => [device.alloc(400), device.alloc(400)] as const);
      const handleClaim = kernel(device, claim);
      const free = outputs.map(([a, b]) => ({
        kernel: handleClaim,
        args: [a.address, b.address],
        items: 100,
        chunk: 9,
        barrier: false,
      }));
      await launch(device, free);
      assert.ok(outputs.every(([counts]) => ints(counts).every((count) => count === 1)));
      for (const region of [...buffers, ...outputs.flat()]) device.free(region);
    });

    test("records of one thread wait for others' instead of meeting at barriers, whether they spin or sleep", async () => {
      const [n, rounds] = [16, 40];
      const { threads } = device;
      const buffers = Array.from({ length: rounds + 1 }, () => device.alloc(4 * n));
      let wanted = Array.from({ length: n }, (_, i) => i * 1000);
      ints(buffers[0]!).set(wanted);
      const [step, busy] = [kernel(device, shuffle), kernel(device, spin)];
      const idle = device.alloc(64);
      const list: Launched[] = [];
      let before: readonly number[] = [];
      for (let i = 0; i < rounds; i++) {
        // Now and then the first thread is so long busy that the others go to sleep.
        const turns = i % 10 === 5 ? 300_000 : 10;
        const slow = { kernel: busy, args: [idle.address, turns], items: 1, chunk: 1, barrier: false, thread: 0 };
        list.push({ ...slow, after: before });
        const args = [buffers[i]!.address, buffers[i + 1]!.address, n];
        const half = { kernel: step, args, chunk: n, barrier: false, after: [...before, list.length - 1] };
        before = [list.length, list.length + 1];
        list.push({ ...half, items: 5, thread: i % threads });
        // The rest is for one thread, or for whoever comes.
        list.push({ ...half, from: 5, items: n, chunk: 3, ...(i % 3 === 0 && { thread: (i + 1) % threads }) });
        wanted = wanted.map((_, item) => wanted[(item * 37 + 11) % n]! + 1);
      }
      await launch(device, list);
      assert.deepEqual([...ints(buffers[rounds]!).subarray(0, n)], wanted);
      for (const region of [...buffers, idle]) device.free(region);
    });

    test("an empty record and an empty list are nothing to do", async () => {
      const region = device.alloc(64);
      const nothing = {
        kernel: kernel(device, claim),
        args: [region.address, region.address],
        chunk: 1,
        barrier: true,
      };
      await launch(device, [{ ...nothing, items: 0 }]);
      await launch(device, []);
      assert.ok(ints(region).every((n) => n === 0));
      device.free(region);
    });

    test("kernels installed later have handles of their own", async () => {
      const make = (value: number): TileProgram => {
        const b = new TileBuilder(device.target);
        b.storeInt(at(b.param()), b.int(value));
        return b.finish(`stores-${value}`);
      };
      const handles = [...device.install([make(1), make(2)]), ...device.install([make(3)])];
      const regions = handles.map(() => device.alloc(64));
      const list = handles.map((handle, i) => ({ kernel: handle, args: [regions[i]!.address] }));
      await launch(
        device,
        list.map((x) => ({ ...x, items: 1, chunk: 1, barrier: false })),
      );
      assert.deepEqual(
        regions.map((region) => ints(region)[0]),
        [1, 2, 3],
      );
      for (const region of regions) device.free(region);
    });

    // The reference runs on this very thread.
    const offThread = device.level === "reference" ? undefined : test;
    offThread?.("the event loop turns while the device runs", async () => {
      const to = device.alloc(64);
      const handle = kernel(device, spin);
      let ticks = 0;
      // Machines differ, and this one may be busy: the work grows until the timer has had its turns while it ran.
      for (let turns = 1_000_000; ticks < 5 && turns < 2 ** 31; turns *= 4) {
        ticks = 0;
        const timer = setInterval(() => ticks++, 5);
        await launch(device, [{ kernel: handle, args: [to.address, turns], items: 2, chunk: 1, barrier: true }]);
        clearInterval(timer);
      }
      assert.ok(ticks >= 5, `${ticks} ticks`);
      device.free(to);
    });

    test("an idle device does not keep the process alive", () => {
      const open = new URL("./open.js", import.meta.url).href;
      const source = `import { openDevice } from ${JSON.stringify(open)};
        const [unused, used] = await Promise.all([0, 1].map(() =>
          openDevice("${device.level}", { threads: 2, scratchBytes: 1024 })));
        await used.run(used.alloc(64), 0);`;
      const { status, signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
        timeout: 20_000,
        encoding: "utf8",
      });
      assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" });
    });
  });
}

test("more memory than WebAssembly has is the user's to hear of, and the device lives on", async () => {
  const device = await openWasm({ threads: 1, scratchBytes: 1024 });
  assert.throws(
    () => device.alloc(2 ** 32),
    (error) => error instanceof UserError && /4097 MiB.*\n.*smaller/.test(error.message),
  );
  const before = device.alloc(64);
  const large = device.alloc(100 * 2 ** 20);
  ints(before)[0] = 5;
  const add = kernel(device, (b) => {
    const [from, to] = [b.param(), b.param()];
    b.storeInt(at(to, 100 * 2 ** 20 - 4), b.add(b.loadInt(at(from)), 1));
  });
  await launch(device, [{ kernel: add, args: [before.address, large.address], items: 1, chunk: 1, barrier: false }]);
  assert.equal(ints(large).at(-1), 6);
  await device.close();
});

test("a kernel that traps fails its run and the next, and none waits for the thread that stopped", async () => {
  const device = await openWasm({ threads: 2, scratchBytes: 1024 });
  const wild = kernel(device, (b) => {
    const to = b.param();
    b.for(b.begin, b.end, 1, (item) => b.if(item, "eq", 1, () => b.storeInt(at(to), item)));
  });
  const list = [{ kernel: wild, args: [2 ** 32 - 64], items: 2, chunk: 1, barrier: true }];
  await assert.rejects(launch(device, list), /memory access out of bounds/);
  await assert.rejects(device.run(device.alloc(record.stride), 0), /memory access out of bounds/);
  await device.close();
});

test("runs neither overlap nor follow the end of a device", async () => {
  const device = await openWasm({ threads: 1, scratchBytes: 1024 });
  const records = device.alloc(record.stride);
  const first = device.run(records, 0);
  await assert.rejects(device.run(records, 0), /bug: runs/);
  await assert.rejects(device.close(), /bug: a device was closed while it ran/);
  await first;
  await device.close();
  await assert.rejects(device.run(records, 0), /bug: runs/);
});

test("the allocator joins freed neighbours, gives each byte once, and asks for no more than it needs", () => {
  let grown = 0;
  const heap = new Allocator((bytes) => {
    grown = bytes;
  });
  const [a, b, c, d] = [100, 64, 1, 200].map((bytes) => heap.alloc(bytes));
  assert.deepEqual([a, b, c, d], [64, 192, 256, 320]);
  heap.free(c!);
  heap.free(a!);
  heap.free(b!);
  assert.equal(heap.alloc(256), 64);
  assert.equal(grown, 576);
  assert.throws(() => heap.free(192), /bug: address 192/);
});
