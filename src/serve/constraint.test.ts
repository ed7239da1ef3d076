/** What the automaton lets end parses and validates; what validates and is written as we write it is let through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { type Random, stream } from "../core/random.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { byteTokenizer } from "../test/fake-service.ts";
import type { ByteState } from "./constraint/grammar.ts";
import { TokenMasks } from "./constraint/mask.ts";
import { isPlainText, takesPlainText } from "./constraint/plain-text.ts";
import { buildTries, sliceSize } from "./constraint/trie.ts";
import { jsonConstraint, schemaConstraint, toolConstraint } from "./constraint.ts";
import type { ConstraintState } from "./generation.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const ajv = new Ajv2020({ strict: false, validateFormats: false });

const accepts = (state: ConstraintState, text: string): boolean => state.advance(encode(text))?.complete ?? false;

/** Writes random allowed bytes until nothing may follow, preferring what closes once it is long. */
function walk(from: ConstraintState, random: Random): string {
  const bytes: number[] = [];
  let state = from;
  const closing = [...encode('"}],0e')];
  while (!state.closed && !(state.complete && random() < 0.5)) {
    const allowed = Array.from({ length: 256 }, (_, b) => b).filter(
      (b) => state.advance(Uint8Array.of(b)) !== undefined,
    );
    assert.ok(allowed.length > 0, "a dead end");
    const preferred = bytes.length > 60 ? allowed.filter((b) => closing.includes(b)) : [];
    const from256 = preferred.length > 0 && random() < 0.9 ? preferred : allowed;
    const byte = from256[Math.floor(random() * from256.length)]!;
    bytes.push(byte);
    state = state.advance(Uint8Array.of(byte))!;
    assert.ok(bytes.length < 5000, "the walk does not end");
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    { type: "string" },
    { type: "string", minLength: 2, maxLength: 4 },
    { type: "string", pattern: "^[a-c]{2,3}x?$" },
    { type: "number" },
    { type: "boolean" },
    { type: ["string", "null"] },
    { enum: ["red", 3, null, { a: [1] }] },
    { const: 'say "hi" \\ é' },
  ),
  fc
    .tuple(fc.integer({ min: -999, max: 999 }), fc.nat(2000))
    .map(([min, span]) => ({ type: "integer", minimum: min, maximum: min + span })),
);
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.record({
      type: fc.constant("array"),
      items: tie("schema"),
      minItems: fc.constantFrom(0, 1, 2),
      maxItems: fc.constantFrom(2, 3),
    }),
    fc.dictionary(fc.constantFrom("a", "b", "naïve", 'q"t'), tie("schema"), { maxKeys: 3 }).map((properties) => ({
      type: "object",
      properties,
      required: Object.keys(properties).filter((_, i) => i % 2 === 0),
      additionalProperties: false,
    })),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
  ),
})).schema;

test("whatever ends validates", () => {
  fc.assert(
    fc.property(schemas, fc.nat(), (schema, seed) => {
      const validate = ajv.compile(schema as object);
      const text = walk(schemaConstraint(schema), stream(seed));
      assert.ok(validate(JSON.parse(text)), `${text} against ${JSON.stringify(schema)}`);
    }),
    { numRuns: 300 },
  );
});

test("any JSON object that JSON.stringify writes is let through, and only objects", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
      const text = JSON.stringify(value);
      if (/\d{16}|e[+-]?\d{3}/.test(text)) return;
      assert.ok(accepts(jsonConstraint(), text), text);
    }),
  );
  for (const text of ["[]", "1", '"a"', '{"a":}', '{"a":1,}', "{} ", '{"a":01}', '{"a":"\\ud800"}', '{"a":"\n"}']) {
    assert.equal(accepts(jsonConstraint(), text), false, text);
  }
  assert.equal(jsonConstraint().advance(Uint8Array.of(...encode('{"a":"'), 0xed, 0xa0)), undefined);
});

test("bounds of integers are exact", () => {
  for (const [minimum, maximum] of [
    [-12, 105],
    [7, 7],
    [0, 10],
    [-305, -17],
    [99, 1001],
  ] as const) {
    const state = schemaConstraint({ type: "integer", minimum, maximum });
    for (let n = -400; n <= 1100; n++) assert.equal(accepts(state, String(n)), n >= minimum && n <= maximum, `${n}`);
  }
  const state = schemaConstraint({ type: "integer", exclusiveMinimum: 2, exclusiveMaximum: 5 });
  assert.deepEqual(
    [2, 3, 4, 5].map((n) => accepts(state, String(n))),
    [false, true, true, false],
  );
});

test("a pattern without anchors may stand anywhere", () => {
  const state = schemaConstraint({ type: "string", pattern: "q+u" });
  for (const text of ["qu", "aqqub", "é qu"]) assert.ok(accepts(state, JSON.stringify(text)), text);
  assert.equal(accepts(state, '"q"'), false);
});

test("formats allow what they name, whole", () => {
  const format = (name: string): ConstraintState => schemaConstraint({ type: "string", format: name });
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    [
      "date",
      ["2024-12-31", "2024-02-29", "2000-02-29", "2023-04-30"],
      ["2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01"],
    ],
    ["time", ["23:59:00Z", "00:00:00.123+02:00"], ["24:00:00Z", "12:00:00"]],
    ["date-time", ["2024-02-29T08:00:00-05:30"], ["2024-02-30T08:00:00Z"]],
    ["uuid", ["123e4567-e89b-12d3-A456-426614174000"], ["123e4567e89b12d3a456426614174000"]],
    ["email", ["a.b+c@ex-ample.org"], ["a@b", "@b.de", "a..b@c.de"]],
    ["ipv4", ["255.0.9.10"], ["256.1.1.1", "01.1.1.1"]],
  ];
  for (const [name, good, bad] of cases) {
    for (const text of good) assert.ok(accepts(format(name), JSON.stringify(text)), `${name} ${text}`);
    for (const text of bad) assert.equal(accepts(format(name), JSON.stringify(text)), false, `${name} ${text}`);
  }
});

test("of a pattern and a format, which generators of schemas write both, the pattern holds", () => {
  const state = schemaConstraint({ type: "string", format: "uuid", pattern: "^[0-9a-f]{4}$" });
  assert.ok(accepts(state, '"12ef"'));
  assert.equal(accepts(state, '"12e"'), false);
});

test("patterns agree with JavaScript's", () => {
  const patterns = [
    "^(a|bc)*d?$",
    "^[^a-c\\d]+$",
    "b{2,3}?",
    "^\\w+\\s[x.\\-]$",
    "^.$",
    "a$|^b",
    "^é+\\.$",
    "^[^\\s]+$",
    "^[à-ÿ😀-😂]{2}\\S$",
    "^\\D\\W*$",
    '^["\\\\]+$',
    "^$",
  ];
  const letters = fc.constantFrom(
    "a",
    "b",
    "c",
    "d",
    "x",
    "1",
    " ",
    ".",
    "-",
    "é",
    "\u2028",
    "\n",
    '"',
    "\\",
    "😀",
    "ℵ",
    "\u00a0",
    "\u3000",
  );
  fc.assert(
    fc.property(fc.constantFrom(...patterns), fc.array(letters, { maxLength: 5 }), (pattern, list) => {
      const text = list.join("");
      // JSON.stringify writes U+2028 as it is, a quote and a newline escaped: one spelling each, as the automaton has it.
      assert.equal(
        accepts(schemaConstraint({ type: "string", pattern }), JSON.stringify(text)),
        new RegExp(pattern, "u").test(text),
        `${JSON.stringify(text)} of ${pattern}`,
      );
    }),
    { numRuns: 600 },
  );
});

test("references and recursion", () => {
  const tree = {
    $defs: {
      node: {
        type: "object",
        properties: { v: { type: "integer" }, kids: { type: "array", items: { $ref: "#/$defs/node" } } },
        required: ["v"],
      },
    },
    $ref: "#/$defs/node",
  };
  assert.ok(accepts(schemaConstraint(tree), '{"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]}'));
  assert.equal(accepts(schemaConstraint(tree), '{"v":1,"kids":[{"w":2}]}'), false);
});

test("what cannot be held to is refused by name and path", () => {
  const refused: readonly (readonly [unknown, RegExp])[] = [
    [
      { type: "object", properties: { a: { type: "string", contentEncoding: "x" } } },
      /#\/properties\/a\/contentEncoding/,
    ],
    [{ not: {} }, /not/],
    [{ type: "number", minimum: 1 }, /minimum/],
    [{ type: "integer", multipleOf: 2 }, /multipleOf/],
    [{ type: "string", pattern: "(?=a)" }, /look-around/],
    [{ type: "string", format: "hostname" }, /hostname/],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, /oneOf/],
    [{ $ref: "#/$defs/none" }, /does not exist/],
    [{ $ref: "#" }, /itself/],
    [{ type: "array", uniqueItems: true }, /uniqueItems/],
    [7, /must be an object/],
    [{ const: 1, type: "string" }, /#\/const: 1 is not of the type/],
    [{ type: "object", anyOf: [{ type: "string" }] }, /#\/anyOf\/0\/type: it contradicts/],
    [{ allOf: [{ type: "string" }, { properties: {} }] }, /#\/allOf\/0\/type: only objects/],
    [{ $ref: "#anchor" }, /does not exist/],
    [{ $ref: "#/%zz" }, /does not exist/],
    [{ type: "object", properties: { next: { $ref: "#" } }, required: ["next"] }, /refers to itself/],
    [{ type: "string", pattern: "^((a?){0,1000}){0,1000}$" }, /alternatives at one place/],
    [{ type: "string", pattern: "^[]$" }, /empty class/],
    [{ oneOf: [{ $ref: "#/$defs/a" }, { type: "integer" }], $defs: { a: { type: "number" } } }, /oneOf/],
  ];
  for (const [schema, message] of refused) assert.throws(() => schemaConstraint(schema), message);
});

test("branches beside a type, and those that are plainly exclusive", () => {
  const kind = (name: string) => ({ properties: { kind: { const: name } }, required: ["kind"] });
  const schema = {
    type: "object",
    oneOf: [kind("a"), { ...kind("b"), type: "object" }],
  };
  assert.ok(accepts(schemaConstraint(schema), '{"kind":"b"}'));
  assert.equal(accepts(schemaConstraint(schema), '{"kind":"c"}'), false);
  const named = {
    discriminator: { propertyName: "kind" },
    oneOf: [{ $ref: "#/$defs/a" }, { $ref: "#/$defs/b" }],
    $defs: { a: { type: "object", ...kind("a") }, b: { type: "object", ...kind("b") } },
  };
  assert.ok(accepts(schemaConstraint(named), '{"kind": "a"}'));
  const number = schemaConstraint({ type: "integer", anyOf: [{ type: "number" }, { const: 7 }] });
  assert.equal(accepts(number, "1.5"), false);
  assert.ok(accepts(number, "12"));
});

test("calls of tools", () => {
  const tools = [
    { name: "add", parameters: { type: "object", properties: { x: { type: "integer" } }, required: ["x"] } },
    { name: "now" },
  ];
  const any = toolConstraint(tools, "required");
  assert.ok(accepts(any, '{"name": "add", "arguments": {"x": 4}}'));
  assert.ok(accepts(any, '{"name":"now","arguments":{}}'));
  assert.equal(accepts(any, '{"name":"add","arguments":{}}'), false);
  assert.equal(accepts(toolConstraint(tools, { name: "now" }), '{"name":"add","arguments":{"x":4}}'), false);
  const loose = toolConstraint([{ name: "f", parameters: {} }], "required");
  assert.equal(loose.advance(encode('{"name":"f","arguments":5')), undefined, "arguments are an object");
});

test("a mask allows exactly the tokens that the automaton does", () => {
  const words = ['"', '"a', '"a"', '":', '": "', "{", '{"', "}", '"}', "-", "-1", "12", "é", "\\u", "tru", "true", "e"];
  const many = [...words, ...words.flatMap((a) => words.map((b) => a + b)), "\ud83d\ude00", '"a'].map(encode);
  const split = [Uint8Array.of(0xc3), Uint8Array.of(0xa9, 0x22), Uint8Array.of(0xff), new Uint8Array(0)];
  const spelled = [...many, ...split];
  const wordTokenizer: Tokenizer = { ...byteTokenizer, vocabulary: spelled.length, bytes: (id) => spelled[id]! };
  for (const tokenizer of [byteTokenizer, wordTokenizer]) {
    const masks = new TokenMasks(tokenizer);
    for (const text of ["", '{"', '{"a":', '{"a":-', '{"a":"\\u', '{"a":"', '{"']) {
      const state = jsonConstraint().advance(encode(text))!;
      const mask = masks.allowed(state);
      for (let id = 0; id < tokenizer.vocabulary; id++) {
        const bytes = tokenizer.bytes(id);
        assert.equal(mask[id] === 1, bytes.length > 0 && state.advance(bytes) !== undefined, `${id} after ${text}`);
      }
      mask.fill(1);
    }
  }
});

test("the vocabulary is prepared in slices of bounded work, one in a turn of the event loop", async () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz"\\{é';
  const spelled = Array.from({ length: 3 * sliceSize + 7 }, (_, id) =>
    encode(Array.from({ length: 1 + (id % 3) }, (_, i) => letters[(id * 7 + i * 11) % letters.length]).join("")),
  );
  let reads = 0;
  const bytes = (id: number) => {
    reads++;
    return spelled[id]!;
  };
  const tokenizer: Tokenizer = { ...byteTokenizer, vocabulary: spelled.length, bytes };
  let slices = 0;
  for (const slicing = buildTries(tokenizer); slicing.next().done !== true; slices++) {
    assert.ok(reads <= sliceSize, `${reads} tokens in one slice`);
    reads = 0;
  }
  assert.ok(slices >= 6, `${slices} slices for two readings of three slices' tokens`);

  const masks = new TokenMasks(tokenizer);
  const start = jsonConstraint();
  let turns = 0;
  let over = false;
  const count = () => {
    if (over) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await Promise.all([masks.ready(start), masks.ready(start)]);
  over = true;
  assert.ok(turns >= slices - 1, `${turns} turns for ${slices} slices`);
  reads = 0;
  masks.allowed(start);
  assert.equal(reads, 0, "nothing is left to build");
  await masks.ready({ advance: () => undefined, complete: true, closed: true });
});

test("text inside a string is known without a walk: plain characters, whole ones", () => {
  const plain = (text: string) => isPlainText(encode(text));
  assert.deepEqual(["a", " né", "😀", "\u007f", "", '"', "\\", "\n"].map(plain), [
    ...[true, true, true, true],
    ...[false, false, false, false],
  ]);
  for (const bytes of [[0xc3], [0xa9], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
    assert.equal(isPlainText(Uint8Array.from(bytes)), false);
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 5 }), (bytes) => {
      const state = jsonConstraint().advance(encode('{"'));
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      const whole = Buffer.from(encode(text)).equals(bytes) && JSON.stringify(text) === `"${text}"`;
      assert.equal(isPlainText(bytes), whole);
      if (whole) assert.equal(state!.advance(bytes), state);
    }),
  );
  const inside = (schema: unknown, text: string) =>
    takesPlainText(schemaConstraint(schema).advance(encode(text)) as ByteState);
  assert.equal(inside({ type: "string" }, '"'), true);
  assert.equal(inside({ type: "string" }, ""), false);
  assert.equal(inside({ type: "string" }, '"\\'), false);
  assert.equal(inside({ type: "string", maxLength: 9 }, '"'), false);
  assert.equal(inside({ type: "string", pattern: "^.*$" }, '"'), false, "a line has no U+2028");
});
