/** Random search: what any cost model must beat. */
import { stream } from "../../core/random.ts";
import { templateOf } from "../schedule/template.ts";
import { nextInTurn, tuner } from "../tuner.ts";

export default tuner({
  title: "Random search",
  rows: [],
  idea: "Measure valid tiles of the template drawn at random, the task with the fewest trials next.",
  differs: [],
  options: {
    batch: { default: 8, unit: "trials", min: 1, help: "Tiles measured together." },
  },
  claim: "baseline",

  create({ batch }) {
    return {
      propose({ tasks, trialsLeft, seed }) {
        const task = nextInTurn(tasks);
        const { space, trials } = tasks[task]!;
        const random = stream(seed, task, trials.length);
        const template = templateOf(space, trials);
        return template.draw(random, Math.min(batch, trialsLeft)).map((tile) => ({ task, tile }));
      },
    };
  },
});
