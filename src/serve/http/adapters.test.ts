/** Adapters as models of the API: listed, asked for by name, refused where they cannot serve. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withClient } from "../../test/http-client.ts";

const adapters = [
  { name: "support", from: 0, to: 8 },
  { name: "poems", from: 8, to: 12 },
];
const reply = ({ adapter }: { readonly adapter?: string }): string => adapter ?? "the model";

test("an adapter is a model with a parent, and answers under its own name", async () => {
  await withClient({ adapters, reply }, async ({ client }) => {
    const listed = (await client.models.list()).data as { id: string; parent?: string }[];
    assert.deepEqual(
      listed.map(({ id, parent }) => [id, parent]),
      [
        ["fake", undefined],
        ["support", "fake"],
        ["poems", "fake"],
      ],
    );
    assert.equal((await client.models.retrieve("poems")).id, "poems");
    const messages = [{ role: "user" as const, content: "Hi" }];
    for (const model of ["fake", "support", "poems"]) {
      const text = model === "fake" ? "the model" : model;
      const completion = await client.completions.create({ model, prompt: "ab" });
      assert.deepEqual([completion.model, completion.choices[0]!.text], [model, text]);
      const chat = await client.chat.completions.create({ model, messages });
      assert.deepEqual([chat.model, chat.choices[0]!.message.content], [model, text]);
    }
  });
});

test("unknown names are refused with those there are, and adapters do not embed", async () => {
  await withClient({ adapters, reply }, async ({ client }) => {
    await assert.rejects(client.completions.create({ model: "suport", prompt: "a" }), /'fake', 'support', 'poems'/);
    await assert.rejects(client.embeddings.create({ model: "support", input: "a" }), /adapter.*ask 'fake'/);
  });
});
