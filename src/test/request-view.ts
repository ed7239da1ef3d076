/** A request as a policy sees it, for tests of policies. */
import type { RequestView } from "../serve/request.ts";

export function requestView(id: number, given: Partial<RequestView>): RequestView {
  const fresh = { arrivedAt: id, promptTokens: 32, tokensMax: 16, choices: 1, sequences: 1, work: 32 };
  return { id, ...fresh, decoding: false, started: false, ...given };
}
