/** IEEE binary16 and bfloat16, to and from f32. Conversions to a narrower type round to nearest even. */
const word = new DataView(new ArrayBuffer(4));

export function floatBits(x: number): number {
  word.setFloat32(0, x);
  return word.getUint32(0);
}

export function bitsFloat(bits: number): number {
  word.setUint32(0, bits >>> 0);
  return word.getFloat32(0);
}

export function halfToFloat(h: number): number {
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  const sign = h & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function floatToHalf(x: number): number {
  const bits = floatBits(x);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) return sign | roundEven(Math.abs(bitsFloat(bits)) * 2 ** 24);
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1);
  return sign | (rounded >> 13);
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

export const bfloatToFloat = (b: number): number => bitsFloat(b << 16);

export function floatToBfloat(x: number): number {
  const bits = floatBits(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Words of finite f32 to bfloat16, to nearest even. */
export function narrowWords(words: Uint32Array, into: Uint16Array): void {
  for (let i = 0; i < words.length; i++) into[i] = (words[i]! + 0x7fff + ((words[i]! >>> 16) & 1)) >>> 16;
}
