/** All 65,536 values of IEEE binary16 as f32: a look-up, because each quantised block begins with one. */
export const halves: Float32Array = tabulate();

function tabulate(): Float32Array {
  const values = new Float32Array(65536);
  const bits = new Uint32Array(values.buffer);
  for (let h = 0; h < 32768; h++) {
    const exponent = h >> 10;
    if (exponent === 0) values[h] = h * 2 ** -24;
    else bits[h] = exponent === 31 ? 0x7f800000 | ((h & 1023) << 13) : (h << 13) + 0x38000000;
    bits[h + 32768] = (bits[h]! | 0x80000000) >>> 0;
  }
  return values;
}
