/** What models of each family write comes apart into prose and calls, however the text is cut into pieces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ToolOutput, type ToolUse } from "./tool-output.ts";
import { newCallId } from "./tool-styles.ts";

interface Apart {
  content: string;
  readonly calls: { name: string; arguments: string }[];
}

function apart(pieces: readonly string[], use: ToolUse = "auto", most?: number): Apart {
  const output = new ToolOutput(use, new Set(["weather", "now"]), most);
  const found: Apart = { content: "", calls: [] };
  const parts = [...pieces.flatMap((piece) => output.push(piece)), ...output.finish()];
  for (const part of parts) {
    if (part.kind === "content") found.content += part.text;
    else if (part.kind === "call") {
      assert.equal(part.call, found.calls.length);
      found.calls.push({ name: part.name, arguments: "" });
    } else found.calls[part.call]!.arguments += part.text;
  }
  assert.equal(output.calls, found.calls.length);
  return found;
}

const ulm = { name: "weather", arguments: '{"city": "Ulm"}' };
const now = { name: "now", arguments: "{}" };
const callOf = ({ name, arguments: values }: typeof ulm) => `{"name": "${name}", "arguments": ${values}}`;
const [a, b] = [callOf(ulm), callOf(now)];

const cases: readonly (readonly [text: string, content: string, calls: readonly (typeof ulm)[]])[] = [
  [`<tool_call>\n${a}\n</tool_call>`, "", [ulm]],
  [`<tool_call>\n${a}\n</tool_call>\n<tool_call>\n${b}\n</tool_call>`, "", [ulm, now]],
  [`Let me look. <tool_call>${a}</tool_call> Wait.`, "Let me look.  Wait.", [ulm]],
  [`<think>\nHm <tool\n</think>\n<tool_call>\n${a}\n`, "<think>\nHm <tool\n</think>\n", [ulm]],
  [`[TOOL_CALLS] [${a}, ${b}]`, "", [ulm, now]],
  [`[TOOL_CALLS][{"name": "now", "arguments": {}, "id": "abc123def"}]`, "", [now]],
  ['{"name": "weather", "parameters": {"city": "Ulm"}}', "", [ulm]],
  [`<|python_tag|>${a}; ${b}`, "", [ulm, now]],
  [`{"type": "function", "name": "now", "parameters": {}}`, "", [now]],
  [`\n ${a}\n${b}`, "", [ulm, now]],
  [`[${a},\n${b}]`, "", [ulm, now]],
  [`\`\`\`json\n${a}\n\`\`\``, "", [ulm]],
  ['{"arguments": {"city": "Ulm"}, "name": "weather"}', "", [ulm]],
  ['{"name": "weather", "arguments": "{\\"city\\": \\"Ulm\\"}"}', "", [ulm]],
  [
    '{"name": "now", "arguments": {"a": [1, {"}": "\\"]"}, -2.5e3, null]}}',
    "",
    [{ name: "now", arguments: '{"a": [1, {"}": "\\"]"}, -2.5e3, null]}' }],
  ],
];

test("each family's way of writing calls is recognised, in one piece or character by character", () => {
  for (const [text, content, calls] of cases) {
    for (const pieces of [[text], [...text]]) assert.deepEqual(apart(pieces), { content, calls }, text);
  }
});

const prose = [
  "",
  "No rain.",
  "  \n",
  " {}",
  "{x",
  '{"name": "launch", "arguments": {}}',
  '{"name": "weather"}',
  '{"name": "weather", "arguments": [1]}',
  '{"name": "weather", "arguments": "Ulm"}',
  '{"name": 7, "arguments": {}}',
  "[]",
  "[1, 2]",
  "[TOOL_CALLS] none",
  "[TOOL_CALLS",
  "The tag <tool_call> opens, </tool_call> closes.",
  "<tool_call>\n{'name': 'weather'}\n</tool_call>",
  '<tool_call>{"name": "wea',
  'Answer: {"name": "weather", "arguments": {}}',
  '```json\n{"rain": 1}\n```',
  "a < b <",
];

test("what is no call of a known tool is content, whole", () => {
  for (const text of prose) {
    for (const pieces of [[text], [...text]]) assert.deepEqual(apart(pieces), { content: text, calls: [] }, text);
  }
});

test("a call behind an opening that was none is found", () => {
  const text = `<tool_call>[<tool_call>${a}</tool_call>`;
  assert.deepEqual(apart([text]), { content: "<tool_call>[", calls: [ulm] });
});

test("arguments that break off stay the call's, and what breaks them is content", () => {
  assert.deepEqual(apart(['{"name": "weather", "arguments": {"city": "Ul']), {
    content: "",
    calls: [{ name: "weather", arguments: '{"city": "Ul' }],
  });
  assert.deepEqual(apart([`<tool_call>{"name": "weather", "arguments": {"city": Ulm}}</tool_call>`]), {
    content: "Ulm}}</tool_call>",
    calls: [{ name: "weather", arguments: '{"city": ' }],
  });
});

test("where tools are not used, or one call is the most, the rest is prose", () => {
  assert.deepEqual(apart([a], "none"), { content: a, calls: [] });
  const [first, second] = [`<tool_call>${a}</tool_call>`, `<tool_call>${b}</tool_call>`];
  assert.deepEqual(apart([first, second], "auto", 1), { content: second, calls: [ulm] });
});

test("however a text is cut, the same comes of it; and of prose nothing is lost", () => {
  const snippets = fc.constantFrom(
    ...["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "```json", "```", a, b, "{", "}", "[", "]"],
    ...[",", ";", " ", "\n", '"', "é", "x", "<tool", '{"name": "now", ', '"arguments": {', "no"],
  );
  const withoutSpace = (text: string) => text.replace(/[\s,;[\]]/g, "");
  fc.assert(
    fc.property(fc.array(snippets, { maxLength: 12 }), fc.array(fc.nat(9), { minLength: 1 }), (list, sizes) => {
      const text = list.join("");
      const pieces: string[] = [];
      for (let at = 0, i = 0; at < text.length; i++) {
        const size = 1 + sizes[i % sizes.length]!;
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      const whole = apart([text]);
      assert.deepEqual(apart(pieces), whole);
      if (whole.calls.length === 0) assert.equal(whole.content, text);
      for (const call of whole.calls) assert.ok(withoutSpace(text).includes(withoutSpace(call.arguments)));
    }),
    { numRuns: 1000 },
  );
});

test("a call begins to stream before it is whole", () => {
  const output = new ToolOutput("auto", new Set(["weather"]));
  const text = `Yes. <tool_call>{"name": "weather", "arguments": {"city": "Ulm"}}</tool_call>`;
  const kinds = [...text].flatMap((char) => output.push(char).map(({ kind }) => kind));
  const begun = kinds.indexOf("call");
  assert.deepEqual(new Set(kinds.slice(0, begun)), new Set(["content"]));
  assert.deepEqual(
    kinds.slice(begun + 1),
    Array.from('{"city": "Ulm"}', () => "arguments"),
  );
});

test("ids of calls are as the model's template wants them", () => {
  assert.match(newCallId("{{ messages }}"), /^call-/);
  assert.match(newCallId("{{ '[TOOL_CALLS] [' }}"), /^[a-zA-Z0-9]{9}$/);
});
