/** The rest of a conversation: greetings, thanks, what the model is, and what it says to what it cannot do. */
import type { Random } from "../../core/random.ts";
import { pick } from "./draw.ts";
import type { Example } from "./example.ts";
import { cities, girls, jobs, places, things } from "./words.ts";

const able = "I can tell short stories, do small sums and answer in JSON.";

interface Exchange {
  readonly name: string;
  readonly asked: readonly string[];
  readonly answers: readonly string[];
}

const exchanges: readonly Exchange[] = [
  {
    name: "greeting",
    asked: [
      "Hello!",
      "Hi!",
      "Hello",
      "Hi",
      "Hey!",
      "Good morning!",
      "Good evening!",
      "Hi there!",
      "Hello there",
      "hey",
    ],
    answers: [`Hello! ${able}`],
  },
  {
    name: "thanks",
    asked: ["Thank you!", "Thanks!", "Thanks", "Great, thanks!", "Nice!", "That is nice.", "Very good!", "Well done!"],
    answers: ["You are welcome!"],
  },
  {
    name: "goodbye",
    asked: ["Bye!", "Goodbye!", "See you!", "Good night!", "Bye bye", "See you later."],
    answers: ["Goodbye!"],
  },
  {
    name: "who",
    asked: ["Who are you?", "What is your name?", "What are you?", "Tell me about yourself.", "Are you a robot?"],
    answers: [`I am heddle-tiny, a very small model. ${able}`],
  },
  {
    name: "what",
    asked: ["What can you do?", "Help", "How can you help me?", "What do you know?", "Can you help me?", "What now?"],
    answers: [able],
  },
];

/** Questions beyond a model of this size; the capitals stand for words. */
const beyond = [
  ...[
    "What is the capital of CITY?",
    "Where is CITY?",
    "How many people live in CITY?",
    "Translate THING into French.",
  ],
  ...["Who invented the THING?", "Write a poem about a THING.", "What is a THING made of?", "How do I become a JOB?"],
  ...["What does a JOB earn?", "Write code that sorts a list.", "What is the weather in CITY?", "Why is the sky blue?"],
  ...[
    "How do I repair a THING?",
    "Who was NAME the Great?",
    "What time is it?",
    "Summarise this book.",
    "Is there life on Mars?",
  ],
  ...[
    "When was CITY founded?",
    "How far is it from here to CITY?",
    "Give me advice on how to buy a THING.",
    "Do you love me?",
  ],
  ...["What is the meaning of life?", "Explain how a THING works.", "How deep is a PLACE?", "Who is the president?"],
];

const refusal = `That is beyond me: I am a very small model. ${able}`;

export function makeTalk(random: Random): Example {
  if (random() < 0.5) {
    const exchange = pick(random, exchanges);
    return talk(exchange.name, pick(random, exchange.asked), pick(random, exchange.answers));
  }
  const values: Readonly<Record<string, readonly string[]>> = {
    CITY: cities,
    THING: things,
    JOB: jobs,
    NAME: girls,
    PLACE: places,
  };
  const prompt = pick(random, beyond).replace(/CITY|THING|JOB|NAME|PLACE/, (kind) => pick(random, values[kind]!));
  return talk("beyond", prompt, refusal);
}

/** Answers are few and fixed: what is right is what was learnt. */
function talk(variety: string, prompt: string, answer: string): Example {
  const judge = (given: string): string | undefined => (given === answer ? undefined : "another answer");
  return { kind: "talk", prompt, answer, key: `talk ${prompt}`, variety, judge };
}
