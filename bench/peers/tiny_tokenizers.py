"""Tokenizers of 288 tokens built as the published models build theirs, trained on a few sentences."""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SIZE = 288
TEXT = [
    "The heddle lifts the right threads at the right moment, and the shuttle passes through the shed.",
    "the weaver throws the shuttle; the weft is beaten against the cloth; then the other threads rise",
    "There is no pattern that the loom cannot weave, there are only threads that no heddle has lifted.",
]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTE_LEVEL = {
    "llama": {"pattern": LLAMA3, "specials": ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"], "bos": True},
    "qwen": {"pattern": QWEN2, "specials": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "bos": False},
}
GEMMA_SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]


def byte_level(kind):
    """Byte-level BPE: `llama` begins every text with a token and groups digits by three, `qwen` normalises to NFC."""
    rules = BYTE_LEVEL[kind]
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama"))
    if kind == "qwen":
        tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(rules["pattern"]), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    specials = rules["specials"]
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=SIZE - len(specials),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    # The published files keep these after all other tokens.
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in specials])
    if rules["bos"]:
        bos = specials[0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            special_tokens=[(bos, tokenizer.token_to_id(bos))],
        )
    return tokenizer


def gemma():
    """BPE over whole text, with a block for the space and bytes to fall back on, as Gemma's tokenizer.json has it."""
    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Replace(" ", "\u2581")
    reserved = GEMMA_SPECIALS + [f"<0x{byte:02X}>" for byte in range(256)]
    learned.train_from_iterator(
        ["the thread then read the other heathen thread"] * 2,
        trainers.BpeTrainer(vocab_size=SIZE - len(reserved), show_progress=False),
    )
    model = json.loads(learned.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    vocabulary = {token: index for index, token in enumerate(reserved + pieces)}
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in GEMMA_SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A",
        special_tokens=[("<bos>", vocabulary["<bos>"])],
    )
    return tokenizer


def made(kind):
    tokenizer = gemma() if kind == "gemma" else byte_level(kind)
    assert tokenizer.get_vocab_size() == SIZE, tokenizer.get_vocab_size()
    return tokenizer
