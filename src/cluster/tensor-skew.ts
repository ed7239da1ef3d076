/**
 * How much of a model its largest tensor is. Gradients of a large tensor are one long message, which a network shared with others
 * delays the most; where parameters are spread over many tensors, a job can be on several nodes at little cost (Tiresias, §3.3).
 */

/** Millions of parameters: of the largest tensor, and in whole; from the architectures as torchvision and the papers have them. */
const models: Readonly<Record<string, readonly [largest: number, whole: number]>> = {
  alexnet: [37.75, 61.1],
  vgg11: [102.76, 132.86],
  vgg16: [102.76, 138.36],
  vgg19: [102.76, 143.67],
  googlenet: [1.02, 6.62],
  inception3: [2.05, 23.83],
  inception4: [1.54, 42.68],
  resnet18: [2.36, 11.69],
  resnet50: [2.36, 25.56],
  resnet101: [2.36, 44.55],
  resnet152: [2.36, 60.19],
};

/** Between 0 and 1; undefined for a model that is not known. */
export function tensorSkew(model: string): number | undefined {
  const known = Object.hasOwn(models, model) ? models[model] : undefined;
  return known === undefined ? undefined : known[0] / known[1];
}
