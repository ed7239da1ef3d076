"""Prompts whose greedy continuations are compared: prose, code, lists, numbers, other languages, and two long ones."""

ABOUT_LOOMS = (
    "A loom holds two sets of threads. The warp runs lengthwise and is kept under tension; the weft is carried across it, "
    "one row at a time, by a shuttle. Between the two stands the heddle, which lifts some threads of the warp and leaves "
    "the others where they are, so that the shuttle can pass through the opening, which weavers call the shed. Which "
    "threads rise, and in which order, decides the pattern of the cloth: a plain weave lifts every second thread and then "
    "the others, a twill moves the lifted group one thread to the side with every row, and a satin scatters the crossings "
    "so widely that the eye no longer finds them. For a long time a weaver held the whole order in memory and worked the "
    "treadles by foot. In Lyon, Jacquard put it on a chain of punched cards instead, one card for every row, with a hole "
    "wherever a thread should rise. The pattern was now a thing by itself: it could be copied, sold, mended and kept. "
)
LEDGER = "\n".join(
    f"{day:02d} March: {goods}, {count} pieces at {price} shillings, {count * price} shillings in all."
    for day, (goods, count, price) in enumerate(
        [
            ("linen", 12, 4),
            ("wool", 7, 9),
            ("silk", 3, 31),
            ("cotton", 25, 2),
            ("hemp", 40, 1),
            ("damask", 2, 55),
            ("velvet", 5, 27),
            ("canvas", 18, 3),
            ("muslin", 9, 6),
            ("tweed", 4, 14),
            ("felt", 11, 5),
            ("lace", 6, 22),
            ("calico", 30, 2),
            ("flannel", 8, 7),
            ("satin", 1, 48),
            ("serge", 13, 8),
        ],
        start=1,
    )
)

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village at the edge of the forest, there lived an old weaver who",
    "The three laws of thermodynamics state that",
    'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
    'import { createServer } from "node:http";\n\nconst server = createServer((request, response) => {\n',
    "SELECT name, COUNT(*) AS orders\nFROM customers\nJOIN orders ON",
    "Shopping list:\n1. Milk\n2. Bread\n3. Eggs\n4.",
    "The planets in order from the Sun are: Mercury, Venus,",
    "1, 2, 4, 8, 16, 32,",
    "Die Weberei ist eines der \u00e4ltesten Handwerke. Am Webstuhl werden",
    "La photosynth\u00e8se est le processus par lequel",
    "\u65e5\u672c\u306e\u9996\u90fd\u306f\u6771\u4eac\u3067\u3059\u3002\u5bcc\u58eb\u5c71\u306f",
    "\u4eba\u5de5\u667a\u80fd\u662f\u8ba1\u7b97\u673a\u79d1\u5b66\u7684\u4e00\u4e2a\u5206\u652f\uff0c",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u2014 \u0441\u0442\u043e\u043b\u0438\u0446\u0430 \u0420\u043e\u0441\u0441\u0438\u0438. \u0413\u043e\u0440\u043e\u0434",
    "\u0627\u0644\u0642\u0627\u0647\u0631\u0629 \u0647\u064a \u0639\u0627\u0635\u0645\u0629 \u0645\u0635\u0631 \u0648",
    "<start_of_turn>user\nName three colours.<end_of_turn>\n<start_of_turn>model\n",
    '{"name": "Ada Lovelace", "born": 1815, "known_for": [',
    "Q: What is the boiling point of water at sea level?\nA: 100 degrees Celsius.\nQ: What is the freezing point of water?\nA:",
    ABOUT_LOOMS + "What Jacquard's cards had in common with the programs of later machines was",
    ABOUT_LOOMS
    + "The ledger of a cloth merchant of that town reads:\n\n"
    + LEDGER
    + "\n\n"
    + ABOUT_LOOMS
    + "17 March:",
]
