/** Each instruction on each level against values worked out by hand: the corners that random programs keep away from. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bitsFloat, floatBits } from "../core/half.ts";
import type { Device } from "../device/device.ts";
import { kernelOn, openLevels } from "../test/kernel-rig.ts";
import type { Comparison, I32, Int } from "./tile.ts";
import { at, broadcast, TileBuilder, vector } from "./tile-builder.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

/** Runs one item of a kernel over `input`; the first four lanes, or words, of what it writes. */
async function words(
  device: Device,
  input: Float32Array | Int32Array | Uint16Array | Uint8Array,
  write: (b: TileBuilder, from: Int, to: Int) => void,
): Promise<Int32Array> {
  const b = new TileBuilder(device.target);
  write(b, b.param(), b.param());
  const out = new Int32Array(64);
  await kernelOn(device, b.finish("instruction")).run([input, out], 1);
  return out;
}

/** The same four values in every group of four lanes, for whole vectors. */
function spread<T extends Float32Array | Int32Array | Uint16Array | Uint8Array>(array: T, four: readonly number[]): T {
  for (let i = 0; i < array.length; i++) array[i] = four[i % 4]!;
  return array;
}
const floats = (...four: number[]): Float32Array => spread(new Float32Array(32), four);
const ints = (...four: number[]): Int32Array => spread(new Int32Array(32), four);
const four = (out: Int32Array, at = 0): number[] => [...out.subarray(at, at + 4)];
const become = (out: Int32Array, at: number, from: readonly number[], made: (x: number) => number): void =>
  assert.deepEqual(four(out, at), from.map(made));
const asFloats = (out: Int32Array, at = 0): number[] => four(out, at).map((bits) => bitsFloat(bits));

for (const device of devices) {
  describe(device.level, () => {
    const { lanes } = device.target;

    test("f32 arithmetic rounds once, to nearest even", async () => {
      const tiny = 2 ** -149;
      const out = await words(device, floats(1, -7, 2 ** 24, tiny), (b, from, to) => {
        const x = b.loadF(at(from));
        b.store(at(to), b.fadd(x, x));
        b.store(at(to, 64), b.fsub(x, broadcast(at(from))));
        b.store(at(to, 128), b.fdiv(x, b.constF(3)));
        b.store(at(to, 192), b.fmul(x, b.constF(0.5)));
      });
      assert.deepEqual(asFloats(out), [2, -14, 2 ** 25, 2 * tiny]);
      assert.deepEqual(asFloats(out, 16), [0, -8, 2 ** 24 - 1, -1]);
      assert.deepEqual(asFloats(out, 32), [1 / 3, -7 / 3, 2 ** 24 / 3, 0].map(Math.fround));
      assert.deepEqual(asFloats(out, 48), [0.5, -3.5, 2 ** 23, 0]);
    });

    test("min and max give the second operand where neither is less", async () => {
      const out = await words(device, floats(0, -0, Number.NaN, 3), (b, from, to) => {
        const x = b.loadF(at(from));
        const other = b.constF(-0);
        b.store(at(to), b.fmax(x, other));
        b.store(at(to, 64), b.fmin(b.constF(0), vector(at(from))));
        b.store(at(to, 128), b.fmax(other, x));
      });
      assert.deepEqual(asFloats(out), [-0, -0, -0, 3]);
      assert.deepEqual(asFloats(out, 16), [0, -0, Number.NaN, 0]);
      assert.deepEqual(asFloats(out, 32), [0, -0, Number.NaN, 3]);
    });

    test("fma adds the product to what is there", async () => {
      const out = await words(device, floats(3, -5, 0, 100), (b, from, to) => {
        const acc = b.constF(10);
        b.fma(acc, b.loadF(at(from)), vector(at(from)));
        b.fma(acc, b.loadF(at(from)), broadcast(at(from)));
        b.store(at(to), acc);
      });
      assert.deepEqual(asFloats(out), [10 + 9 + 9, 10 + 25 - 15, 10, 10 + 10000 + 300]);
    });

    test("sqrt, round to even, and conversions", async () => {
      const out = await words(device, floats(2.25, 0.5, 1.5, 16777217), (b, from, to) => {
        const x = b.loadF(at(from));
        b.store(at(to), b.sqrt(x));
        b.store(at(to, 64), b.round(b.fsub(b.constF(0), x)));
        b.store(at(to, 128), b.toI32(b.fsub(b.constF(0), x)));
      });
      assert.deepEqual(asFloats(out), [1.5, Math.fround(Math.SQRT1_2), Math.fround(Math.sqrt(1.5)), 4096]);
      assert.deepEqual(asFloats(out, 16), [-2, -0, -2, -16777216]);
      assert.deepEqual(four(out, 32), [-2, 0, -2, -16777216]);
      const back = await words(device, ints(16777217, 16777219, -(2 ** 31), 2 ** 31 - 1), (b, from, to) =>
        b.store(at(to), b.toF32(b.loadI(at(from)))),
      );
      assert.deepEqual(asFloats(back), [16777216, 16777220, -(2 ** 31), 2 ** 31]);
    });

    test("i32 arithmetic wraps; madd16 multiplies signed halves", async () => {
      const [most, least] = [2 ** 31 - 1, -(2 ** 31)];
      const out = await words(device, ints(most, least, 0x7fff8000, -1), (b, from, to) => {
        const x = b.loadI(at(from));
        b.store(at(to), b.i32("add", x, b.constI(1)));
        b.store(at(to, 64), b.i32("sub", b.constI(-2), vector(at(from))));
        b.store(at(to, 128), b.i32("madd16", x, vector(at(from))));
        b.store(at(to, 192), b.i32("min", x, b.constI(-1)));
      });
      assert.deepEqual(four(out), [least, -(2 ** 31) + 1, 0x7fff8001, 0]);
      const low = [(-2 - most) | 0, (-2 - least) | 0, (-2 - 0x7fff8000) | 0, -1];
      assert.deepEqual(four(out, 16), low);
      assert.deepEqual(four(out, 32), [32767 ** 2 + 1, 2 ** 30, 32767 ** 2 + 2 ** 30, 2]);
      assert.deepEqual(four(out, 48), [-1, least, -1, -1]);
    });

    test("madd16 of four times -32768 wraps", async () => {
      const out = await words(device, ints(0x80008000 | 0, 0, 1, 2), (b, from, to) =>
        b.store(at(to), b.i32("madd16", b.loadI(at(from)), broadcast(at(from)))),
      );
      assert.deepEqual(four(out), [-(2 ** 31), 0, -32768, -65536]);
    });

    test("madd8 multiplies unsigned bytes by signed ones, as far as 16 bits go; add16 keeps halves apart", async () => {
      // 255 × 64 twice, 127 × -128 twice; -128 × 64 twice would be the first, were its bytes signed.
      const out = await words(device, ints(0x7f7fffff, 0x7f7f0100, 0, 0x80008000 | 0), (b, from, to) => {
        const x = b.loadI(at(from));
        b.store(at(to), b.i32("madd8", x, b.constI(0x80804040 | 0)));
        b.store(at(to, 64), b.i32("madd8", b.constI(0x7f7f7f7f), vector(at(from))));
        b.store(at(to, 128), b.i32("add16", x, broadcast(at(from))));
        b.store(at(to, 192), b.i32("add16", x, x));
      });
      const halves = (high: number, low: number): number => (high << 16) | (low & 0xffff);
      const bottom = -2 * 127 * 128;
      assert.deepEqual(four(out), [halves(bottom, 32640), halves(bottom, 64), 0, halves(-128 * 128, 128 * 64)]);
      assert.deepEqual(four(out, 16), [
        halves(2 * 127 * 127, -2 * 127),
        halves(2 * 127 * 127, 127),
        0,
        halves(-127 * 128, -127 * 128),
      ]);
      assert.deepEqual(four(out, 32), [
        halves(0xfefe, 0xfffe),
        halves(0xfefe, 0x00ff),
        0x7f7fffff,
        halves(0xff7f, 0x7fff),
      ]);
      assert.deepEqual(four(out, 48), [halves(0xfefe, 0xfffe), halves(0xfefe, 0x0200), 0, 0]);
    });

    test("bitwise operations and shifts", async () => {
      const x = [0x80000001 | 0, 0x12345678, -1, 0x0000ffff];
      const out = await words(device, ints(...x), (b, from, to) => {
        const v = b.loadI(at(from));
        const combined = b.i32("xor", b.i32("or", b.i32("and", v, b.constI(0xff00ff)), b.constI(0x1000)), b.constI(1));
        b.store(at(to), combined);
        b.store(at(to, 64), b.shift("shr16", v, 4));
        b.store(at(to, 128), b.shift("sar", v, 31));
        b.store(at(to, 192), b.i32("sub", b.shift("shl", v, 4), b.shift("shr", v, 28)));
      });
      become(out, 0, x, (v) => ((v & 0xff00ff) | 0x1000) ^ 1);
      become(out, 16, x, (v) => (((v >>> 16) >>> 4) << 16) | ((v & 0xffff) >>> 4));
      become(out, 32, x, (v) => v >> 31);
      become(out, 48, x, (v) => ((v << 4) - (v >>> 28)) | 0);
    });

    test("and-or adds the bits that two others have in common", async () => {
      const out = await words(device, ints(0x0f0f0f0f, -1, 0, 0x12345678), (b, from, to) => {
        const [x, mask] = [b.loadI(at(from)), b.constI(0x30303030)];
        const [registers, memory, repeated] = [b.constI(1), b.copy(mask), b.constI(0)];
        b.store(at(to), b.andOr(registers, x, mask));
        b.store(at(to, 64), b.andOr(memory, b.constI(0x0ff0), vector(at(from))));
        b.store(at(to, 128), b.andOr(repeated, x, broadcast(at(from, 12))));
      });
      const input = [0x0f0f0f0f, -1, 0, 0x12345678];
      become(out, 0, input, (x) => 1 | (x & 0x30303030));
      become(out, 16, input, (x) => 0x30303030 | (x & 0x0ff0));
      become(out, 32, input, (x) => x & 0x12345678);
    });

    const withDot4 = device.target.dot4 ? test : undefined;
    withDot4?.("dot4 of unsigned and signed bytes is exact, extremes included", async () => {
      const pack = (...bytes: number[]): number => new Int32Array(Int8Array.from(bytes).buffer)[0]!;
      const input = ints(pack(-1, -1, -1, -1), pack(1, 2, 3, 4), 0, pack(-128, 127, 0, 1));
      const out = await words(device, input, (b, from, to) => {
        const acc = b.constI(7);
        b.dot4(acc, b.loadI(at(from)), vector(at(from)));
        b.store(at(to), acc);
        const other = b.constI(0);
        b.dot4(other, b.constI(pack(-1, -1, -1, -1)), b.constI(pack(-128, -128, -128, -128)));
        b.store(at(to, 64), other);
      });
      assert.deepEqual(four(out), [7 - 4 * 255, 7 + 30, 7, 7 - 128 * 128 + 127 * 127 + 1]);
      assert.deepEqual(four(out, 16), Array(4).fill(4 * 255 * -128));
    });

    test("loads of bytes and of halves, all exponents", async () => {
      const bytes = await words(device, spread(new Uint8Array(32), [0, 127, 128, 255]), (b, from, to) => {
        b.store(at(to), b.loadI(at(from), "u8"));
        b.store(at(to, 64), b.loadI(at(from), "i8"));
      });
      assert.deepEqual([...four(bytes), ...four(bytes, 16)], [0, 127, 128, 255, 0, 127, -128, -1]);
      const halves = spread(new Uint16Array(64), [0x0001, 0x83ff, 0x7bff, 0x3c01]);
      const out = await words(device, halves, (b, from, to) => b.store(at(to), b.loadF(at(from), "f16")));
      assert.deepEqual(asFloats(out), [2 ** -24, -1023 * 2 ** -24, 65504, 1 + 2 ** -10]);
      const special = spread(new Uint16Array(64), [0x7c00, 0xfc00, 0x8000, 0x7e00]);
      const rare = await words(device, special, (b, from, to) => b.store(at(to), b.loadF(at(from), "f16")));
      assert.deepEqual(asFloats(rare), [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, Number.NaN]);
      const brains = spread(new Uint16Array(64), [0x0001, 0x8000, 0x3f81, 0xff80]);
      const brain = await words(device, brains, (b, from, to) => b.store(at(to), b.loadF(at(from), "bf16")));
      assert.deepEqual(
        four(brain),
        [0x0001, 0x8000, 0x3f81, 0xff80].map((v) => v << 16),
      );
    });

    test("splat, constants, broadcasts and bits", async () => {
      const out = await words(device, ints(-5, 6, 7, 8), (b, from, to) => {
        b.store(at(to), b.splat(b.loadInt(at(from, 4))));
        b.store(at(to, 64), b.bitsI(b.constF(0.1)));
        b.store(at(to, 128), b.broadcastI(at(from)));
        b.store(at(to, 192), b.bitsF(b.bitsI(b.broadcastF(at(from, 8)))));
      });
      const wanted = [6, floatBits(0.1), -5, 7].flatMap((v) => [v, v, v, v]);
      assert.deepEqual(
        [0, 16, 32, 48].flatMap((from) => four(out, from)),
        wanted,
      );
    });

    test("stores touch their own bytes and no others", async () => {
      const out = await words(device, ints(-128, 127, -1, 5), (b, from, to) => {
        const v = b.loadI(at(from));
        b.storeI8(at(to, 1), v);
        b.storeLane(at(to, 65), v);
        b.storeInt(at(to, 129), b.int(0x1ff), "u8");
        b.storeInt(at(to, 133), b.int(-3));
      });
      const bytes = [...new Int8Array(out.buffer)];
      const codes = Array.from({ length: lanes }, (_, i) => [-128, 127, -1, 5][i % 4]);
      assert.deepEqual(bytes.slice(0, 34), [0, ...codes, ...Array(33 - lanes).fill(0)]);
      assert.deepEqual(bytes.slice(64, 71), [0, -128, -1, -1, -1, 0, 0]);
      assert.deepEqual(bytes.slice(128, 139), [0, -1, 0, 0, 0, -3, -1, -1, -1, 0, 0]);
    });

    test("reduce folds halves, in that order, into every lane", async () => {
      const input = Float32Array.from({ length: 16 }, (_, i) => [2 ** 24, 1, -(2 ** 24), 1, 3, 5][i % 6]!);
      const out = await words(device, input, (b, from, to) => {
        b.store(at(to), b.reduce("add", b.loadF(at(from))));
        b.store(at(to, 64), b.reduce("max", b.loadF(at(from))));
        b.store(at(to, 128), b.reduce("add", b.bitsI(b.loadF(at(from)))));
        b.store(at(to, 192), b.reduce("max", b.bitsI(b.loadF(at(from)))));
      });
      const fold = (all: readonly number[], f: (x: number, y: number) => number): number => {
        const half = all.length / 2;
        return half < 1
          ? all[0]!
          : fold(
              Array.from({ length: half }, (_, i) => f(all[i]!, all[i + half]!)),
              f,
            );
      };
      const seen = [...input.subarray(0, lanes)];
      const bits = seen.map((x) => floatBits(x) | 0);
      const same = (value: number): number[] => Array<number>(lanes).fill(value);
      const results = [0, 16, 32, 48].map((from) => [...out.subarray(from, from + lanes)]);
      const add = (x: number, y: number): number => Math.fround(x + y);
      assert.deepEqual(results[0]!.map(bitsFloat), same(fold(seen, add)));
      assert.deepEqual(results[1]!.map(bitsFloat), same(2 ** 24));
      assert.deepEqual(results[2], same(fold(bits, (x, y) => (x + y) | 0)));
      assert.deepEqual(results[3], same(Math.max(...bits)));
    });

    test("integers: arithmetic, loads of each width, min and max", async () => {
      const out = await words(device, Int32Array.of(-2, 0x1fffe, 1000, 7), (b, from, to) => {
        const [negative, thousand, seven] = [0, 8, 12].map((o) => b.loadInt(at(from, o))) as [Int, Int, Int];
        const results = [
          ...[negative, b.loadInt(at(from, 4), "u8"), b.loadInt(at(from, 4), "u16")],
          ...[b.add(negative, thousand), b.sub(seven, thousand), b.mul(negative, thousand), b.mul(thousand, -3)],
          ...[b.div(thousand, seven), b.rem(thousand, seven), b.div(thousand, 9), b.rem(thousand, 9)],
          ...[b.shl(seven, 3), b.shr(thousand, 3), b.and(negative, 0xff)],
          ...[b.min(negative, seven), b.max(negative, seven), b.min(seven, 3), b.max(seven, 30)],
        ];
        for (const [i, v] of results.entries()) b.storeInt(at(to, 4 * i), v);
      });
      const wanted = [-2, 254, 65534, 998, -993, -2000, -3000, 142, 6, 111, 1, 56, 125, 254, -2, 7, 3, 30];
      assert.deepEqual([...out.subarray(0, wanted.length)], wanted);
    });

    test("addresses: base, scaled index, offsets of both signs", async () => {
      const out = await words(
        device,
        Int32Array.from({ length: 32 }, (_, i) => i),
        (b, from, to) => {
          const end = b.add(from, 64);
          const [index, back] = [b.int(3), b.int(-2)];
          const places = [
            at(end, -12),
            at(from, 4, index, 8),
            at(end, 0, back, 4),
            at(end, -8, index, 4),
            at(from, 1, index),
          ];
          for (const [i, place] of places.entries()) b.storeInt(at(to, 4 * i), b.loadInt(place));
        },
      );
      assert.deepEqual([...out.subarray(0, 5)], [13, 7, 14, 17, 1]);
    });

    test("for: no turn, a step that overshoots, a bound that its body moves", async () => {
      const out = await words(device, ints(0, 0, 0, 0), (b, _, to) => {
        const counted = (from: number, bound: Int | number, step: number, inside?: () => void): Int => {
          const turns = b.int(0);
          b.for(from, bound, step, () => {
            b.add(turns, 1, turns);
            inside?.();
          });
          return turns;
        };
        const bound = b.int(5);
        const moved = counted(0, bound, 1, () => b.add(bound, 10, bound));
        const results = [counted(3, 3, 1), counted(4, 3, 1), counted(-3, 4, 3), moved, bound];
        for (const [i, v] of results.entries()) b.storeInt(at(to, 4 * i), v);
      });
      assert.deepEqual([...out.subarray(0, 5)], [0, 0, 3, 5, 55]);
    });

    test("if: each comparison, of a variable and of a number", async () => {
      const kinds: readonly Comparison[] = ["lt", "le", "eq", "ne", "ge", "gt"];
      const pairs = [
        [-1, 1],
        [1, 1],
        [2, 1],
      ] as const;
      const out = await words(device, Int32Array.of(0, 0, 0, 0), (b, _, to) => {
        let place = 0;
        for (const kind of kinds) {
          for (const [x, y] of pairs) {
            const result = b.int(0);
            b.if(b.int(x), kind, b.int(y), () => b.add(result, 1, result));
            b.if(
              b.int(x),
              kind,
              y,
              () => b.add(result, 2, result),
              () => b.add(result, 10, result),
            );
            b.storeInt(at(to, 4 * place++), result);
          }
        }
      });
      const wanted = [3, 10, 10, 3, 3, 10, 10, 3, 10, 3, 10, 3, 10, 3, 3, 10, 10, 3];
      assert.deepEqual([...out.subarray(0, wanted.length)], wanted);
    });

    test("comparisons fill lanes; of a NaN only ne holds; products of words wrap", async () => {
      const kinds = ["lt", "le", "eq", "ne"] as const;
      const out = await words(device, floats(1, 2, Number.NaN, -0), (b, from, to) => {
        const x = b.loadF(at(from));
        const y = b.loadF(at(from, 16));
        for (const [i, kind] of kinds.entries()) b.storePart(at(to, 16 * i), b.compare(kind, x, b.fmul(y, y)), 3);
        b.storePart(at(to, 12), b.bitsI(b.fmul(x, x)), 1);
      });
      const seen = kinds.map((_, i) => [...out.subarray(4 * i, 4 * i + 3)]);
      assert.deepEqual(seen, [
        [0, -1, 0],
        [-1, -1, 0],
        [-1, 0, 0],
        [0, -1, -1],
      ]);
      const whole = await words(device, ints(-5, 7, 2 ** 31 - 1, -(2 ** 31)), (b, from, to) => {
        const x = b.loadI(at(from));
        for (const [i, kind] of kinds.entries()) b.store(at(to, 64 * i), b.compare(kind, x, b.constI(7)));
      });
      const wholes = kinds.map((_, i) => four(whole, 16 * i));
      assert.deepEqual(wholes, [
        [-1, 0, 0, -1],
        [-1, -1, 0, -1],
        [0, -1, 0, 0],
        [-1, 0, -1, -1],
      ]);
      const product = await words(device, ints(-5, 7, 2 ** 31 - 1, -(2 ** 31)), (b, from, to) =>
        b.store(at(to), b.i32("mul", b.loadI(at(from)), b.constI(0xd2511f53 | 0))),
      );
      assert.deepEqual(
        four(product),
        [-5, 7, 2 ** 31 - 1, -(2 ** 31)].map((v) => Math.imul(v, 0xd2511f53 | 0)),
      );
    });

    test("copies are values, not names", async () => {
      const out = await words(device, ints(1, 2, 3, 4), (b, from, to) => {
        const x: I32 = b.loadI(at(from));
        const y = b.copy(x);
        b.i32("add", x, b.constI(10), x);
        b.store(at(to), y);
        b.assign(y, x);
        b.store(at(to, 64), y);
      });
      assert.deepEqual([...four(out), ...four(out, 16)], [1, 2, 3, 4, 11, 12, 13, 14]);
    });
  });
}
