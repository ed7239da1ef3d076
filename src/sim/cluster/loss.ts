/**
 * A training loss for jobs of which nobody measured one: it falls as 1 / (b₀·k + b₁) + b₂, as it does for most models (Optimus,
 * EuroSys 2018, §2), jitters by 1 %, and has converged by its owner's measure just when the job's duration is over.
 */
import type { JobSpec, TrainingLoss } from "../../cluster/job.ts";
import { draw } from "../../core/random.ts";
import type { Seconds } from "../../time/clock.ts";

const jitter = 0.01;

export function modelledLoss({ id, duration = 1 }: JobSpec, done: Seconds): TrainingLoss {
  const letters = [...id].map((letter) => letter.codePointAt(0)!);
  const uniform = (of: number): number => draw(0x1055, of, ...letters);
  const [first, floor, fall] = [0.1 + 0.2 * uniform(0), uniform(1), 2 + 8 * uniform(2)];
  const falls = (first * fall) / duration;
  const value = 1 / (falls * done + first) + floor;
  const noise = 1 + jitter * (2 * draw(0x1056, Math.floor(done), ...letters) - 1);
  return { value: value * noise, slope: falls / (falls * duration + first) ** 2 };
}
