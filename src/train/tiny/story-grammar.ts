/**
 * The sentences that stories are made of.
 *
 *     opening ── wish ── problem ── search ── help ── answer ── feeling ── ending
 *                        └──────── of one plot ────────┘
 *
 * Slots: `H` the hero's name, `n` what the hero is, `d` what the hero is like; `P p o s` she/he, her/him, her/his; `F` the
 * friend's name, `f` what the friend is; `t` a thing, `c` its colour; `w` a place. `{a n}` is a noun with its article.
 */

export type Slot = "S" | "H" | "n" | "d" | "P" | "p" | "o" | "s" | "F" | "f" | "t" | "c" | "w";

export interface Plot {
  readonly problem: readonly string[];
  readonly search: readonly string[];
  readonly help: readonly string[];
  readonly answer: readonly string[];
}

export const openings = [
  "Once upon a time there was {a d} {n} named {H}.",
  "There once was {a d} {n} named {H}.",
  "{H} was {a d} {n} who lived near {a w}.",
  "Near {a w} lived {a d} {n} called {H}.",
  "Long ago, {a d} {n} named {H} lived by {a w}.",
  "This is the story of {H}, {a d} {n}.",
  "In a small house by the {w} lived {a d} {n} named {H}.",
];

export const wishes = [
  "{H} had {a c} {t} and loved it very much.",
  "{P} had {a c} {t} that {p} took everywhere.",
  "Every morning {p} went to the {w} with {s} {c} {t}.",
  "{P} liked the {w} best of all, and always took {s} {t} there.",
  "{S} best treasure was {a c} {t}.",
  "Every day {p} played by the {w} with {s} {c} {t}.",
];

export const plots: Readonly<Record<string, Plot>> = {
  lost: {
    problem: [
      "One day the {t} was gone.",
      "One morning {p} could not find {s} {t}.",
      "But one day {p} lost the {t} near the {w}.",
    ],
    search: [
      "{P} looked under the bed and behind the door, but it was not there.",
      "{H} looked everywhere and found nothing.",
      "{P} sat down and cried.",
    ],
    help: [
      "Then {F} the {f} came by and asked what was wrong.",
      "{F}, {a f}, heard {o} and came to help.",
      '{S} friend {F} the {f} said, "Let us look together."',
    ],
    answer: [
      "Together they walked to the {w} and found the {t} in the tall grass.",
      "They looked at the {w} once more, and there was the {t} under a leaf.",
      "{F} saw something {c} by the {w}. It was the {t}!",
    ],
  },
  broken: {
    problem: [
      "One day the {t} fell down and broke.",
      "One windy day the {t} broke in two.",
      "But one evening {p} dropped the {t}, and it broke.",
    ],
    search: [
      "{P} tried to mend it, but it was too hard.",
      "{H} did not know what to do.",
      "{P} was so sad that {p} could not sleep.",
    ],
    help: [
      "{F} the {f} saw the pieces and had an idea.",
      "In the morning {p} asked {F}, {a f}, for help.",
      "{F}, {a f} who could mend all kinds of things, came to see {o}.",
    ],
    answer: [
      "They worked all day, and in the evening the {t} was whole again.",
      "With a little glue and much care, they mended the {t}.",
      "{F} showed {o} how to mend it, and soon the {t} was as good as new.",
    ],
  },
  storm: {
    problem: [
      "One day a great storm came over the {w}.",
      "One night the wind blew hard and the rain fell on the {w}.",
      "But one day dark clouds came, and it began to snow at the {w}.",
    ],
    search: [
      "{H} could not find the way home.",
      "{P} was cold and wet, and held the {t} close.",
      "{P} was afraid and hid behind a big stone.",
    ],
    help: [
      "Then {p} heard a voice. It was {F} the {f}.",
      '{F}, {a f}, saw {o} and called, "Come in!"',
      "A door opened, and there stood {F} the {f}.",
    ],
    answer: [
      "They sat by the fire and drank warm milk until the sun came out.",
      "{F} took {o} home, and the {t} was safe too.",
      "They waited together until the storm was over.",
    ],
  },
  stuck: {
    problem: [
      "One day {p} heard a cry from the {w}.",
      "One afternoon somebody called for help near the {w}.",
      "But one day there was a strange noise at the {w}.",
    ],
    search: [
      "It was {F}, {a f}.",
      "{P} ran there and found {F}, {a f}.",
      "There sat {F} the {f}, and looked very sad.",
    ],
    help: [
      "{F} was stuck in a deep hole and could not get out.",
      '"I fell into a hole," said {F}. "Please help me!"',
      "{F} had hurt a foot and could not walk home.",
    ],
    answer: [
      "{H} used the {t} to help {F}, and it worked.",
      "{H} thought for a while. Then {p} took the {t} and helped {F}.",
      "With the {t} and a long stick, {H} helped {F}.",
    ],
  },
  quarrel: {
    problem: [
      "One day {F} the {f} wanted the {t} too.",
      "But one day {F}, {a f}, took the {t} without asking.",
      'One day {F} the {f} said, "That is my {t}!"',
    ],
    search: [
      "{H} was angry, and they shouted at each other.",
      "They pulled at the {t} from both sides.",
      "{H} went away and did not say a word.",
    ],
    help: [
      'Then {F} said, "I am sorry."',
      'After a while {H} said, "Let us not fight."',
      "At night both were sad and could not sleep.",
    ],
    answer: [
      "So they took turns with the {t}, and both had fun.",
      "They shared the {t} and went to the {w} together.",
      '"We can share it," said {H}, and {F} smiled.',
    ],
  },
  race: {
    problem: [
      "One day there was a race to the {w}.",
      'One day {F} the {f} said, "I can run to the {w} faster than you."',
      "But one day everybody laughed at {H}, because {p} was so slow.",
    ],
    search: [
      "{H} was not fast, but {p} wanted to try.",
      "{P} practised every day, in sun and in rain.",
      "{P} fell down twice, but {p} got up again.",
    ],
    help: [
      "On the big day {F}, {a f}, hurt a leg on the way.",
      "Half way, {F} the {f} fell and could not get up.",
      "Near the end {p} saw that {F} the {f} was too tired to go on.",
    ],
    answer: [
      "{H} stopped and helped {F}, and they finished together.",
      "{H} did not run on. {P} gave {F} some water and waited.",
      '"Come, lean on me," said {H}, and they reached the {w} together.',
    ],
  },
  hungry: {
    problem: [
      "One cold winter there was nothing to eat at the {w}.",
      "One day {F}, {a f}, came to the door and was very hungry.",
      "But one winter {p} had only one piece of bread left.",
    ],
    search: [
      "{P} counted {s} nuts. There were only three.",
      "{H} was hungry too, and did not know what to do.",
      "{P} thought about it all night.",
    ],
    help: [
      "Then {p} cut the bread in two and gave half to {F} the {f}.",
      '"Eat with me," {p} said to {F} the {f}.',
      "{P} gave {s} {t} away for soup, enough for {o} and for {F} the {f}.",
    ],
    answer: [
      "The next day {F} came back with a basket full of apples.",
      "In spring {F} planted a tree for {o} by the {w}.",
      "{F} never forgot it, and brought {o} honey every week.",
    ],
  },
};

export const feelings = [
  "{H} was very happy.",
  "{H} and {F} laughed and danced.",
  '"Thank you," said {H}.',
  '{F} said, "You are a good friend."',
  "{H} felt warm inside.",
  "They were both glad and tired.",
];

export const endings = [
  "From that day on, {H} and {F} were best friends.",
  "And they lived happily ever after.",
  "After that day {H} was never lonely again.",
  "{H} learned that friends are worth more than any {t}.",
  "That night {H} slept well and dreamed of the {w}.",
  "And every year they met at the {w} to remember that day.",
  "Since then {H} has always helped others. The end.",
];
