/** Layers, losses and functions of the field: `import { nn } from "heddle"`. */
export {
  bceWithLogitsLoss,
  type ClassLossOptions,
  crossEntropy,
  type LossOptions,
  l1Loss,
  mseLoss,
  nllLoss,
} from "./losses.ts";
export { MultiHeadAttention } from "./nn/attention.ts";
export { AvgPool2d, Conv2d, MaxPool2d } from "./nn/convolution.ts";
export { constant, constantBuffer, normal, uniform } from "./nn/initial.ts";
export {
  BatchNorm2d,
  Dropout,
  Embedding,
  Flatten,
  GELU,
  GroupNorm,
  type Layer,
  LayerNorm,
  Linear,
  ReLU,
  RMSNorm,
  Sequential,
  Sigmoid,
  SiLU,
  Tanh,
} from "./nn/layers.ts";
export { buffer, functional, Module, parameter } from "./nn/module.ts";
export { GRUCell, LSTM, LSTMCell, type LstmState, RNNCell } from "./nn/recurrent.ts";
export { dropout, groupNorm, layerNorm, rmsNorm } from "./normalize.ts";
export { attention, avgPool2d, conv2d, embedding, linear, maxPool2d } from "./products.ts";
