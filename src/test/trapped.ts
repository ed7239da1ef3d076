/** Purity, trapped: a policy whose plain arguments are frozen, and for which clocks, randomness and timers throw while it decides. */

/** The same policy, its arguments frozen and the world's impurities trapped while it decides. */
export function trapped<T extends object>(policy: T): T {
  return new Proxy(policy, {
    get(target, key) {
      const member = target[key as keyof T];
      if (typeof member !== "function") return member;
      return (...views: unknown[]) => {
        for (const view of views) freeze(view);
        return withoutWorld(() => member.apply(target, views));
      };
    },
  });
}

/** Plain data only: what the engine's own bookkeeping shows through getters stays the engine's to change. */
function freeze(value: unknown): void {
  const plain = Array.isArray(value) || Object.getPrototypeOf(value ?? 0) === Object.prototype;
  if (typeof value !== "object" || value === null || !plain || Object.isFrozen(value)) return;
  if ("table" in value) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}

function withoutWorld<R>(work: () => R): R {
  const fail = (what: string) => () => {
    throw new Error(`a policy used ${what}`);
  };
  // The solver of linear programs times itself. For it the clock stands still, so that nothing it answers can depend on it.
  const clock = (what: string) => () => (new Error().stack?.includes("/node_modules/highs/") ? 0 : fail(what)());
  const saved = { now: Date.now, random: Math.random, clock: performance.now, timeout: globalThis.setTimeout };
  Date.now = clock("Date.now");
  Math.random = fail("Math.random");
  performance.now = clock("performance.now");
  globalThis.setTimeout = fail("setTimeout") as unknown as typeof setTimeout;
  try {
    return work();
  } finally {
    Date.now = saved.now;
    Math.random = saved.random;
    performance.now = saved.clock;
    globalThis.setTimeout = saved.timeout;
  }
}
