/**
 * Small sums: a + b and a − b of numbers from 0 to 99 (no negative results), a × b of numbers from 0 to 10.
 *
 * An answer is worked out as in school, "47 + 38 = 77 + 8 = 85.": first the tens, then the ones. Each step needs three digits
 * at most, which a model of this size learns from far fewer examples than the whole at once.
 */
import type { Random } from "../../core/random.ts";
import { pick, whole } from "./draw.ts";
import type { Example } from "./example.ts";
import { boys, girls, goods } from "./words.ts";

type Operator = "+" | "-" | "*";

interface Sum {
  readonly a: number;
  readonly b: number;
  readonly operator: Operator;
  readonly result: number;
}

const phrasings: Readonly<Record<Operator, readonly string[]>> = {
  "+": [
    ...[
      "What is A + B?",
      "A + B",
      "A+B",
      "A + B = ?",
      "A+B=",
      "How much is A + B?",
      "What is A plus B?",
      "Add A and B.",
    ],
    ...["What's A + B?", "A + B?", "Can you add A and B?", "Solve A + B."],
    ...["Calculate A + B.", "A plus B", "What is the sum of A and B?", "Please add A and B.", "How much is A plus B?"],
  ],
  "-": [
    ...["What is A - B?", "A - B", "A-B", "A - B = ?", "A-B=", "How much is A - B?", "What is A minus B?"],
    ...["What's A - B?", "A - B?", "Solve A - B.", "Can you take B from A?"],
    ...["Calculate A - B.", "A minus B", "Subtract B from A.", "Take B from A.", "How much is A minus B?"],
  ],
  "*": [
    ...["What is A * B?", "A * B", "A*B", "A x B", "A * B = ?", "How much is A * B?", "What is A times B?"],
    ...["What's A * B?", "A x B?", "Solve A * B.", "A x B = ?", "What's A times B?"],
    ...["Calculate A * B.", "A times B", "Multiply A by B.", "How much is A times B?", "What is A x B?"],
  ],
};

/** N is a name, G goods. */
const stories: Readonly<Record<Operator, readonly string[]>> = {
  "+": [
    "N has A G and gets B more. How many G does N have now?",
    "There are A G in a box and B G in a bag. How many G are there?",
    "N has A G and buys B more. How many G is that?",
  ],
  "-": [
    "N has A G and gives away B. How many G are left?",
    "There were A G in a basket. N took B of them. How many G are left?",
    "N had A G and lost B. How many G does N have now?",
  ],
  "*": ["N has A boxes with B G in each. How many G is that?", "There are A bags. Each has B G. How many G are there?"],
};

export function makeSum(random: Random): Example {
  const sum = drawSum(random);
  const told = random() < 0.2;
  const phrase = pick(random, (told ? stories : phrasings)[sum.operator]);
  const [name, good] = [pick(random, random() < 0.5 ? girls : boys), pick(random, [...goods.keys()])];
  const values: Readonly<Record<string, string>> = { A: String(sum.a), B: String(sum.b), N: name, G: good };
  const prompt = phrase.replace(/\b[ABNG]\b/g, (letter) => values[letter]!);
  return {
    kind: "sum",
    prompt,
    answer: answerOf(sum),
    key: keyOf(sum, prompt),
    variety: `a ${sum.operator} b${told ? ", told" : ""}`,
    judge: (answer) => judgeSum(answer, sum),
  };
}

function drawSum(random: Random): Sum {
  const share = random();
  const operator = share < 0.42 ? "+" : share < 0.84 ? "-" : "*";
  const most = operator === "*" ? 10 : 99;
  const [x, y] = [whole(random, 0, most), whole(random, 0, most)];
  if (operator === "-") return { a: Math.max(x, y), b: Math.min(x, y), operator, result: Math.abs(x - y) };
  return { a: x, b: y, operator, result: operator === "+" ? x + y : x * y };
}

/** Sums and differences are held out by their numbers, in whatever words; the table of products is learnt by heart. */
function keyOf({ a, b, operator }: Sum, prompt: string): string {
  if (operator === "*") return `sum ${prompt}`;
  return operator === "+" ? `sum ${Math.min(a, b)} + ${Math.max(a, b)}` : `sum ${a} - ${b}`;
}

function answerOf({ a, b, operator, result }: Sum): string {
  const ones = b % 10;
  if (operator === "*" || b < 10 || ones === 0) return `${a} ${operator} ${b} = ${result}.`;
  const afterTens = operator === "+" ? a + b - ones : a - b + ones;
  return `${a} ${operator} ${b} = ${afterTens} ${operator} ${ones} = ${result}.`;
}

/** The last number of the answer counts, so that an answer may be worded in another way. */
function judgeSum(answer: string, sum: Sum): string | undefined {
  const last = answer.match(/-?\d+/g)?.at(-1);
  if (last === undefined) return "no number";
  return Number(last) === sum.result ? undefined : `${last} is not ${sum.result}`;
}
