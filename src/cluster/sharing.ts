/** Sharing: which jobs run on the same GPUs at once. Asked after scheduling, whose decision it may extend. */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { ClusterView, Decision } from "./decision.ts";
import { sharingIndex } from "./sharing.index.ts";

export interface Sharing {
  /** `decision` with jobs added, moved or dropped so that some run `beside` others; never more than `jobsMax` on one GPU. */
  share(view: ClusterView, decision: Decision): Decision;
  readonly jobsMax: number;
}

export const sharings = slot<Sharing>("cluster/sharing", sharingIndex);

/** Types an entry, and returns it unchanged. */
export const sharing = <const O extends Options>(entry: Entry<Sharing, O>): Entry<Sharing, O> => entry;
