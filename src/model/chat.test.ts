/** Conversations as text: the file's template, the family's, and what each does not know. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { byteTokenizer, createFakeService } from "../test/fake-service.ts";
import { type ChatMessage, chatTemplateSource, renderChat } from "./chat.ts";

const { config } = createFakeService().checkpoint;
const checkpoint = (architecture: string, chatTemplate?: string) => ({
  name: "m",
  chatTemplate,
  tokenizer: byteTokenizer,
  config: { ...config, architecture },
});
const talk: readonly ChatMessage[] = [
  { role: "system", content: "Be brief." },
  {
    role: "user",
    content: [
      { type: "text", text: "Hi" },
      { type: "text", text: "there" },
    ],
  },
  { role: "assistant", content: "Hello." },
  { role: "user", content: "Bye" },
];
const tool = { type: "function", function: { name: "now", description: "the time" } } as const;

test("without a template, that of the family, and a note that says so", () => {
  assert.equal(
    renderChat(checkpoint("gemma3"), talk),
    "<start_of_turn>user\nBe brief.\n\nHi\nthere<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n" +
      "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n",
  );
  assert.equal(
    renderChat(checkpoint("gemma3"), talk.slice(0, 1), { addGenerationPrompt: false }),
    "<start_of_turn>user\nBe brief.<end_of_turn>\n",
  );
  assert.equal(
    renderChat(checkpoint("qwen2"), talk.slice(2)),
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
  );
  assert.equal(renderChat(checkpoint("llama"), talk.slice(3)), "User: Bye\n\nAssistant:");
  assert.match(chatTemplateSource(checkpoint("gemma3")).note!, /no chat template; .* Gemma's turns/);
  assert.equal(chatTemplateSource(checkpoint("gemma3", "x")).note, undefined);
});

test("the file's template gets values as templates expect them", () => {
  const template =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m.content }}" +
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments | tojson }}){% endfor %}]{% endfor %}" +
    "{% if tools %}{{ tools[0].function.name }}{% endif %}";
  const messages: ChatMessage[] = [
    { role: "developer", content: "d" },
    { role: "assistant", tool_calls: [{ function: { name: "now", arguments: '{"a": 1}' } }] },
    { role: "tool", content: "noon", tool_call_id: "1" },
  ];
  const text = renderChat(checkpoint("x", template), messages, { tools: [tool] });
  assert.equal(text, '[system:d][assistant:now({"a": 1})][tool:noon]now', "and the <bos> is left to encode");
});

test("what a template does not know is written in messages", () => {
  const messages: ChatMessage[] = [
    { role: "user", content: "Time?" },
    { role: "assistant", content: null, tool_calls: [{ function: { name: "now", arguments: "{}" } }] },
    { role: "tool", content: "noon" },
  ];
  const text = renderChat(checkpoint("gemma3"), messages, { tools: [tool] });
  assert.match(text, /^<start_of_turn>user\nYou can call these tools:\n\{"name":"now","description":"the time"\}\n/);
  assert.match(text, /Time\?<end_of_turn>\n<start_of_turn>model\n\{"name":"now","arguments":\{\}\}<end_of_turn>\n/);
  assert.match(text, /<start_of_turn>user\nnoon<end_of_turn>\n<start_of_turn>model\n$/);
  const both = renderChat(checkpoint("qwen2"), talk, { tools: [tool] });
  assert.match(both, /^<\|im_start\|>system\nBe brief\.\n\nYou can call these tools:/);
});

test("a template's faults are the user's to know", () => {
  const refuses = "{{ raise_exception('roles must alternate') }}";
  assert.throws(() => renderChat(checkpoint("x", refuses), talk), /chat template says: roles must alternate/);
  assert.throws(() => renderChat(checkpoint("x", "{% if %}"), talk), { name: "UserError" });
  assert.throws(() => renderChat(checkpoint("x", "{{ messages | mystery }}"), talk), { name: "UserError" });
});
