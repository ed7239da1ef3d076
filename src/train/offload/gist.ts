/** Encoded feature maps: between its last use forward and its first backward a tensor is kept in fewer bits. */
import { activations, type Encode, type Encoding, firstBackward, keepAll, lastForward } from "../memory.ts";
import { type OffloadView, offload } from "../offload.ts";

export default offload({
  title: "Gist",
  paper: {
    title: "Gist: Efficient Data Encoding for Deep Neural Network Training",
    venue: "ISCA 2018",
    url: "https://www.microsoft.com/en-us/research/publication/gist-efficient-data-encoding-deep-neural-network-training/",
  },
  rows: ["gist"],
  idea: "By what backward reads of a tensor: only signs or windows' maxima are kept as bits; what a ReLU made for a convolution is stored sparse and made dense before use; the rest may lose digits, once forward no longer needs them.",
  differs: [
    "The encoded form is decoded before the unit that reads it, which then runs as it is (paper: binarised layers have backward kernels of their own).",
    "Windows of a pooling that overlap are not binarised: one tensor stands for all windows' maxima.",
    "Encoding is JavaScript, and takes more than the step itself (paper: kernels, 4% of the step).",
    "Sparse values keep all their digits in the lossless form, and no layer is computed in place.",
  ],
  options: {
    bits: { default: 0, unit: "bits", min: 0, help: "Digits of what must lose some: 16, 10 or 8; 0 loses none." },
  },
  claim: { metric: "peakBytes", better: "lower", than: "on-demand", on: "vgg-roomy", factor: 1.3, where: "sim" },

  create({ bits }) {
    const lossy: Encoding | undefined = bits === 0 ? undefined : bits <= 8 ? "fp8" : bits <= 10 ? "fp10" : "fp16";
    return {
      plan(view) {
        const dropped = new Set(view.drops.map((d) => d.tensor));
        const encodings = activations(view).flatMap((tensor): Encode[] => {
          const as = encodingOf(view, tensor, lossy);
          const after = lastForward(view, tensor);
          const soon = firstBackward(view, tensor)! <= after + 2;
          return as === undefined || soon || dropped.has(tensor) ? [] : [{ tensor, after, as }];
        });
        return { ...keepAll, drops: view.drops, encodings };
      },
    };
  },
});

function encodingOf(view: OffloadView, tensor: number, lossy: Encoding | undefined): Encoding | undefined {
  const { needs, zeros } = view.tensors[tensor]!;
  if (needs.length > 0 && needs.every((need) => need !== "value")) return "binary";
  // Five bytes for each value that is not 0: worth it where more than a fifth is 0.
  if (zeros !== undefined && zeros > 0.25) return "csr";
  return lossy;
}
