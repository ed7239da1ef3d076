/** Whoever schedules decides who runs beside whom. */
import { sharing } from "../sharing.ts";

export default sharing({
  title: "As decided by scheduling",
  rows: [],
  idea: "Put jobs on shared GPUs where the scheduling entry says so (Gavel's pairs), and nowhere else.",
  differs: [],
  options: {},
  claim: "baseline",
  create: () => ({ jobsMax: 2, share: (_, decision) => decision }),
});
