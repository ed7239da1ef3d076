/** Every job has its GPUs to itself. */
import { sharing } from "../sharing.ts";

export default sharing({
  title: "Exclusive",
  rows: [],
  idea: "Give each GPU to one job at a time, as the decision has it.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({ jobsMax: 1, share: (_, decision) => decision }),
});
