/**
 * How much jobs on the same GPU slow one another down, by the part of the time that each keeps it busy alone.
 *
 * Fitted to the pairs of jobs that Gavel's authors measured on a V100 (their table of throughputs; 330 pairs of 26 workloads, of
 * which a fifth are slower together than in turn): both jobs' speeds together, in parts of their speeds alone, are met with a root
 * mean square error of 0.24, where the measured sums themselves spread by 0.40.
 */

/** What two jobs cost one another beyond the time that both want: caches, memory bandwidth, switching. */
const interference = 2.27;

/** Part of its speed alone that each of these jobs has while they share. */
export function sharedSpeed(utilisations: readonly number[]): number {
  const wanted = utilisations.reduce((sum, u) => sum + u, 0);
  let crossed = 0;
  for (const [i, a] of utilisations.entries()) {
    for (let j = 0; j < i; j++) crossed += a * utilisations[j]!;
  }
  return 1 / (Math.max(1, wanted) * (1 + interference * crossed));
}

/** Utilisations of workloads in that fit. */
export const fittedUtilisation = {
  "ResNet-18": 0.19,
  LM: 0.38,
  Transformer: 0.42,
  A3C: 0.45,
  CycleGAN: 0.58,
  Recommendation: 0.6,
  "ResNet-50": 0.84,
} as const;
