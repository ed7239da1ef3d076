/** How a long command is ended: the first signal asks it to end well, a second ends the program. */
import { say } from "./terminal.ts";

export interface StopSignals {
  readonly signal: AbortSignal;
  /** What a shell expects of a command that a signal ended; 0 where none came. */
  exitCode(): number;
  end(): void;
}

/** `saying` is told at the first Ctrl-C or SIGTERM. */
export function stopOnSignals(saying: string): StopSignals {
  const stop = new AbortController();
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  let code = 0;
  const caught = (signal: NodeJS.Signals): void => {
    const exit = codes[signal as keyof typeof codes];
    if (stop.signal.aborted) process.exit(exit);
    code = exit;
    stop.abort();
    say(`\n${saying}`);
  };
  for (const signal of Object.keys(codes)) process.on(signal, caught);
  return {
    signal: stop.signal,
    exitCode: () => code,
    end() {
      for (const signal of Object.keys(codes)) process.off(signal, caught);
    },
  };
}
