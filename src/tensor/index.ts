/** The tensor library's own names, gathered for `import … from "heddle"`. */

export {
  arange,
  full,
  type Nested,
  ones,
  onesLike,
  type RandomOptions,
  rand,
  randn,
  randomKey,
  scalar,
  type TensorOptions,
  tensor,
  zeros,
  zerosLike,
} from "./creation.ts";
export { type DeviceChoice, device, memory } from "./default-device.ts";
export { clamp, type Operand, where } from "./elements.ts";
export * as nn from "./nn.ts";
export * as optim from "./optim.ts";
export { autocast, matmul } from "./products.ts";
export { manualSeed, withKey } from "./random-key.ts";
export { enableGrad, keep, noGrad, tidy } from "./scope.ts";
export { cat, type Index, oneHot, stack } from "./shape.ts";
export type { MemoryUse } from "./storage.ts";
export { Tensor } from "./tensor.ts";
export {
  type GradOptions,
  grad,
  type JitOptions,
  type Jitted,
  jit,
  type VmapOptions,
  valueAndGrad,
  vmap,
} from "./transform.ts";
