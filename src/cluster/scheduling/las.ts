/** Least attained service: whoever has run least goes first, so that short jobs pass long ones though nobody knows which they are. */
import { RankedJobs } from "../ranking.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "LAS",
  rows: [],
  idea: "Rank jobs by the seconds that they have run; one that waits takes the GPUs of those that have run a quantum longer.",
  differs: [
    "Continuous LAS would share each GPU among all that have run as long; here a job keeps its GPUs until it is a quantum ahead of one that waits.",
  ],
  options: {
    quantum: { default: 600, unit: "seconds", min: 1, help: "How much longer a job may have run than one that waits." },
  },
  claim: "baseline",

  create({ quantum }) {
    const jobs = new RankedJobs({
      rank: ({ ran }) => ran,
      whileRunning: ({ ran }, now) => ran - now,
      yields: (running, to) => running.ran >= to.ran + quantum,
    });
    return {
      decide(view) {
        const decision = jobs.decide(view);
        // Time alone makes running jobs yield. The grid keeps one wake-up for many decisions.
        return jobs.waits ? { ...decision, wake: (Math.floor(view.now / quantum) + 1) * quantum } : decision;
      },
    };
  },
});
