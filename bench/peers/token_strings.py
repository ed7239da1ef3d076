"""Strings that tokenizers tend to get wrong: a list written by hand, and a seeded generator that mixes its pieces."""

import random

ZWJ = "\u200d"
FAMILY = ZWJ.join("\U0001f469\U0001f469\U0001f467\U0001f466")

SPECIALS = [
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<mask>",
    "[multimodal]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<unused0>",
    "<unused1>",
    "<unused98>",
    "<unused99>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    "<table>",
    "</table>",
    "<tr>",
    "<td>",
    "</td>",
    "<th>",
    "<h1>",
    "</h1>",
    "<h6>",
    "<blockquote>",
    "<ul>",
    "<ol>",
    "<li>",
    "</li>",
    "<strong>",
    "</strong>",
    "<em>",
    "<b>",
    "<i>",
    "<u>",
    "<s>",
    "</s>",
    "<sub>",
    "<sup>",
    "<code>",
    "</code>",
    "<caption>",
    "<thead>",
    "<tbody>",
    "<tfoot>",
    "<a>",
    "<p>",
    "<div>",
    "<img>",
    "<|im_start|>",
    "<br/>",
]
BROKEN_SPECIALS = [
    "<start_of_turn",
    "start_of_turn>",
    "< bos >",
    "<BOS>",
    "<bos",
    "bos>",
    "<<bos>>",
    "<bos><",
    "<<eos>",
    "<eos>>",
    "<start_of_turn>>",
    "<<start_of_turn>",
    "<start_of_<bos>turn>",
    "<unused>",
    "<unused100000>",
    "<unused 0>",
    "<end_of_turn\n>",
    "<tab",
    "</ table>",
    '<img src="x.png">',
    "&lt;bos&gt;",
    "<0x0A>",
    "<0xFF>",
    "<0x00>",
    "\u2581",
    "\u2581\u2581",
    "a\u2581b",
    "\u2581the",
    " \u2581",
    "\u2581 ",
]
EMOJI = [
    "\U0001f600",
    "\U0001f602\U0001f602\U0001f602",
    FAMILY,
    "\U0001f468\U0001f3ff" + ZWJ + "\U0001f4bb",
    "\U0001f44b\U0001f3fb\U0001f44b\U0001f3fc\U0001f44b\U0001f3fd\U0001f44b\U0001f3fe\U0001f44b\U0001f3ff",
    "\U0001f3f3\ufe0f" + ZWJ + "\U0001f308",
    "\U0001f1f3\U0001f1f1\U0001f1e9\U0001f1ea",
    "\U0001f1fa",
    "\u2764\ufe0f",
    "\u2764",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "1\ufe0f\u20e3",
    "#\ufe0f\u20e3",
    "\U0001f9d1" + ZWJ + "\U0001f680",
    "\U0001f469" + ZWJ,
    ZWJ + "\U0001f469",
    "\u263a\ufe0e",
    "\u2639\ufe0f",
    "\U0001fae0",
    "\U0001f937\U0001f3fd" + ZWJ + "\u2640\ufe0f",
    "\U0001f3fd",
]
CONTROLS = [
    "\x00",
    "\x01",
    "\x02\x03",
    "\x07",
    "\x08",
    "\t",
    "\x0b",
    "\x0c",
    "\x1b",
    "\x1b[31mred\x1b[0m",
    "\x1f",
    "\x7f",
    "\u0080",
    "\u0085",
    "\u009f",
    "\u00a0",
    "\u00ad",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2060",
    "\u2066\u2069",
    "\ufeff",
    "\ufff9",
    "\ufffc",
    "\ufffd",
    "\ufffe",
    "\uffff",
]
SCRIPTS = [
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\u5929\u5730\u7384\u9ec4\u5b87\u5b99\u6d2a\u8352",
    "\u7e41\u9ad4\u5b57\u8207\u7b80\u4f53\u5b57",
    "\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d\u3002",
    "\u30ab\u30bf\u30ab\u30ca\u3068\uff8a\uff9d\uff76\uff78",
    "\u6771\u4eac\u90fd\u6e0b\u8c37\u533a1-2-3",
    "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u0628\u0650\u0633\u0652\u0645\u0650 \u0627\u0644\u0644\u0651\u0647\u0650",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd abc \u05d0\u05d1\u05d2 123",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u0995\u09cd\u09b7\u09a3\u09bf\u0995",
    "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
    "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8",
    "\u0540\u0561\u0575\u0565\u0580\u0565\u0576",
    "\u1230\u120b\u121d",
    "\u13e3\u13b3\u13a9",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
    "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5",
    "Gr\u00fc\u00dfe aus K\u00f6ln",
    "na\u00efve caf\u00e9 d\u00e9j\u00e0-vu",
    "\u0130stanbul'da \u0131\u015f\u0131k",
    "Ti\u1ebfng Vi\u1ec7t c\u00f3 d\u1ea5u",
    "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144",
    "\u1e9e\ufb01\ufb03\u0133\u01c6",
    "\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51",
    "\U0001d518\U0001d52b\U0001d526",
    "\U00010348\U00010330",
    "\U00013000\U00013001",
    "\U00020000\U0002a6d6",
    "\U0001f100\u2460\u2167",
    "\ue000\uf8ff",
    "\U000f0000\U0010fffd",
    "e\u0301",
    "\u00e9",
    "a\u0300\u0301\u0302\u0303\u0304",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0337l\u0338g\u0334o\u0335",
    "\u212b\u00c5A\u030a",
    "\uff21\uff22\uff23\u3000\uff11\uff12\uff13",
]
CODE = [
    "def f(x: int) -> int:\n    return x ** 2  # square\n",
    "for (let i = 0; i < 10; i++) {\n\tconsole.log(`${i}`);\n}",
    '#include <stdio.h>\r\nint main(void) {\r\n  printf("%d\\n", 42);\r\n}\r\n',
    "SELECT * FROM \"t\" WHERE a<>'it''s' -- x",
    "fn main() { let v: Vec<_> = (0..=9).collect::<Vec<u8>>(); }",
    '{"a": [1, 2.5e-3, null, true], "b": {"c": "\\u00e9\\n"}}',
    '<!DOCTYPE html>\n<html><body class="x">\n  <p>Hi&nbsp;there</p>\n</body></html>',
    "\\begin{equation}\\int_0^\\infty e^{-x^2}\\,dx=\\frac{\\sqrt\\pi}{2}\\end{equation}",
    "$ ls -la | grep '^d' > /dev/null 2>&1 && echo \"ok $?\"",
    "---\nkey: value\nlist:\n  - a\n  - b\n...\n",
    "<?php echo $x['y'] ?? 'z'; ?>",
    "%!PS\n/Times findfont 12 scalefont",
    "x=[i for i in range(3)if i%2];print(*x,sep='\\t')",
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n",
    "# Title\n\n- item\n  * sub\n\n```ts\nconst a = 1;\n```\n",
    "regex: ^(?:[a-z]+|\\d{1,3})\\s*$",
    "0x7fff_ffff 0b1010 1e-9 .5 5. 1_000",
    "C:\\Users\\me\\file.txt",
    "a\\nb\\tc\\\\d\\x41\\u0041\\'\\\"",
]
PLAIN = [
    "Hello",
    "hello world",
    " hello",
    "hello ",
    "  hello  ",
    "The quick brown fox jumps over the lazy dog.",
    "I'm you're he'd we'll they've it's",
    "antidisestablishmentarianism",
    "Donaudampfschifffahrtsgesellschaftskapit\u00e4n",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "3.14159265358979",
    "1234567890",
    "12345678901234567890123456789012345678901234567890",
    "1,234,567.89",
    "-1.5e+10",
    "2024-02-29T23:59:59Z",
    "https://example.org:8080/a/b?c=d&e=%20f#g",
    "user+tag@mail.example.com",
    "192.168.0.1/24",
    "::1",
    "a=b+c*d/e-f%g^h|i&j~k!l@m#n$o",
    "...",
    "\u2026",
    "!?!?!?",
    "----------",
    "==========",
    "*" * 33,
    "a" * 100,
    "ab" * 40,
    "aaaa bbbb cccc",
    "\u00ab\u00bb\u201c\u201d\u2018\u2019\u2013\u2014",
    "\u2211\u222b\u221a\u221e\u2260\u2264\u2265\u2208\u2200\u2203",
    "x\u00b2+y\u00b3=\u00bd",
    "H\u2082O",
    "100\u00b0C \u00b15%",
    "\u20ac5 \u00a33 \u00a57 \u20bf1",
    "camelCaseIdentifier",
    "snake_case_identifier",
    "SCREAMING_SNAKE",
    "kebab-case-name",
    "MiXeDcAsE",
    "thethethethe",
    "xqzjkvwq",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt.",
    "a",
    "A",
    " ",
    "",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u3000",
]
SPACING = (
    [" " * n for n in range(2, 41)]
    + ["a" + " " * n + "b" for n in (2, 3, 7, 15, 16, 17, 31, 32, 33, 40, 64)]
    + ["\n" * n for n in (2, 3, 4, 5, 8, 15, 30, 31, 32, 33, 40)]
    + ["\t" * n for n in (2, 3, 4, 8, 16, 31, 32, 40)]
    + ["\r\n" * n for n in (2, 3, 4)]
    + [
        "a\r\nb\r\nc\r\n",
        "a\rb\rc",
        "a\n\rb",
        "\n a",
        " \n",
        "\n ",
        "a \n b",
        "\t a",
        " \ta",
        "a\n\n\n b",
        " \u00a0 ",
        "\n\t\n\t",
        "\u2003\u2009x",
    ]
)
TURNS = [
    "<start_of_turn>user\nWhy is the sky blue?<end_of_turn>\n<start_of_turn>model\n",
    "<bos><start_of_turn>user\nHi<end_of_turn>\n",
    "<start_of_turn>user <end_of_turn>",
    "<bos>Hello<eos>",
    "<bos><bos>",
    " <bos> ",
    "a<eos>b",
    "a <eos> b",
    "x<start_of_turn>y<end_of_turn>z",
    "<pad><pad><mask>",
    "<bos>\n",
    "\n<eos>",
]
PLACED = [
    "\ufeffstart",
    "mid\ufeffdle",
    "end\ufeff",
    "\ufeff",
    "\ufeff\ufeff x",
    "a\x00b",
    "zero\u200bwidth",
    "next\u0085line",
    "soft\u00adhyphen",
    "tab\tbed",
    "\x1b[1mbold\x1b[0m",
    "bell\x07",
    "del\x7f",
    "\x01\x02\x03",
    "rtl \u202eoverride\u202c",
    "\u2028line\u2029para",
]
POOLS = [SPECIALS, BROKEN_SPECIALS, EMOJI, CONTROLS, SCRIPTS, CODE, PLAIN, SPACING, TURNS, PLACED]
RANGES = [
    (0x00, 0x7F),
    (0x80, 0xFF),
    (0x100, 0x24F),
    (0x300, 0x36F),
    (0x370, 0x52F),
    (0x590, 0x6FF),
    (0x900, 0xDFF),
    (0xE00, 0xFFF),
    (0x1100, 0x11FF),
    (0x1E00, 0x1FFF),
    (0x2000, 0x2BFF),
    (0x3000, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xE000, 0xF8FF),
    (0xF900, 0xFFFF),
    (0x10000, 0x10FFF),
    (0x1D400, 0x1D7FF),
    (0x1F300, 0x1FAFF),
    (0x20000, 0x2A6DF),
    (0xE0000, 0xE01EF),
]
WORDS = (
    "the of and to in is that model token weaving loom thread heddle shuttle kernel cache batch server runs quickly "
    "because unquestionably internationalisation Brazil PARIS iPhone don't it's 42 3.5 "
    "und nicht stra\u00dfe pour \u00eatre aujourd'hui pero ma\u00f1ana "
    "\u043d\u0435 \u0447\u0442\u043e \u4e2d\u6587 \u306e \ud55c\uad6d\uc5b4 return function None null => != += :: -> ;"
).split(" ")


def by_hand():
    pools = [PLAIN, SPACING, SPECIALS, BROKEN_SPECIALS, TURNS, EMOJI, CONTROLS, PLACED, SCRIPTS, CODE]
    return list(dict.fromkeys(text for pool in pools for text in pool))


def generated(rng):
    """One random string: random code points, a sentence of mixed words, or a few pieces of the pools joined."""
    kind = rng.random()
    if kind < 0.2:
        low, high = rng.choice(RANGES)
        wide = rng.random() < 0.3
        points = []
        for _ in range(rng.randint(1, 24)):
            if wide:
                low, high = rng.choice(RANGES)
            points.append(chr(rng.randint(low, high)))
        return "".join(points)
    if kind < 0.4:
        gaps = [" "] * 12 + ["  ", "\n", "\r\n", "\t", ", ", ". ", "   ", "\n\n", ""]
        return "".join(rng.choice(WORDS) + rng.choice(gaps) for _ in range(rng.randint(2, 40)))
    gap = rng.choice(["", "", " ", "\n", "  ", "\r\n", "\t"])
    pieces = [piece_of(rng, rng.choice(rng.choice(POOLS))) for _ in range(rng.randint(2, 6))]
    return gap.join(pieces)


def piece_of(rng, text):
    if len(text) < 4 or rng.random() < 0.6:
        return text
    start = rng.randrange(len(text))
    return text[start : start + rng.randint(1, 40)]


def strings(seed, count, with_hand_written):
    rng = random.Random(seed)
    found = dict.fromkeys(by_hand() if with_hand_written else [])
    while len(found) < count:
        found.setdefault(generated(rng))
    return list(found)[:count]
