// A policy decides, and does nothing else: give it a view of the world, and it answers with plain data.
import { batchings } from "heddle";

const request = (id, promptTokens) => ({
  id,
  promptTokens,
  arrivedAt: id,
  tokensMax: 16,
  choices: 1,
  sequences: 1,
  work: promptTokens,
  decoding: false,
  started: false,
});
const view = { now: 2, running: [], waiting: [request(0, 200), request(1, 30)], limits: { tokens: 512, sequences: 8 } };

for (const id of batchings.ids()) {
  const policy = await batchings.create(id);
  console.log(id, policy.next(view));
}
