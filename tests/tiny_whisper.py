"""A Whisper of a few thousand numbers, made on the spot: random, or one that says what it is told to.

Its tokenizer has the 256 bytes, five languages and all of Whisper's special tokens in Whisper's order. A script is
planted into the position embeddings, which outweigh everything else: every window of sound then says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

LANGUAGES = ("en", "de", "fr", "es", "zh")
TEXT_END = 256
SPECIALS = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
IDS = {token: TEXT_END + number for number, token in enumerate(SPECIALS)}
FIRST_TIME = TEXT_END + len(SPECIALS)
WIDTH = 64

Script = Sequence[str | float]
"""What a window says: texts, and times in seconds between them."""


def make_whisper(
    folder: Path, *, script: Script | None = None, language: str = "en", places: int = 448, seed: int = 0
) -> Path:
    """Write the checkpoint as ``save_pretrained`` does; give its folder. Without a language it knows only English."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(_config(places))
    if script is not None:
        prompt = [IDS[f"<|{language}|>"], IDS["<|transcribe|>"]] if language else []
        _plant(model, [*prompt, *script_ids(script), IDS["<|endoftext|>"]])
    model.generation_config = _generation_config(multilingual=bool(language))
    model.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=8)
    extractor.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def script_ids(script: Script) -> list[int]:
    """Give the tokens of texts (a byte each) and of times (in steps of 0.02 s)."""
    ids: list[int] = []
    for part in script:
        ids += (
            [FIRST_TIME + round(part / 0.02)]
            if isinstance(part, float)
            else _tokenizer().encode(part, add_special_tokens=False)
        )
    return ids


def _config(places: int) -> WhisperConfig:
    return WhisperConfig(
        vocab_size=FIRST_TIME + 1501,
        num_mel_bins=8,
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=WIDTH,
        decoder_ffn_dim=WIDTH,
        max_target_positions=places,
        bos_token_id=IDS["<|endoftext|>"],
        eos_token_id=IDS["<|endoftext|>"],
        pad_token_id=IDS["<|endoftext|>"],
        decoder_start_token_id=IDS["<|startoftranscript|>"],
        suppress_tokens=None,
        begin_suppress_tokens=None,
        init_std=0.1,
    )


def _generation_config(*, multilingual: bool) -> GenerationConfig:
    return GenerationConfig(
        bos_token_id=IDS["<|endoftext|>"],
        eos_token_id=IDS["<|endoftext|>"],
        pad_token_id=IDS["<|endoftext|>"],
        decoder_start_token_id=IDS["<|startoftranscript|>"],
        prev_sot_token_id=IDS["<|startofprev|>"],
        no_timestamps_token_id=IDS["<|notimestamps|>"],
        lang_to_id={f"<|{code}|>": IDS[f"<|{code}|>"] for code in LANGUAGES},
        task_to_id={"transcribe": IDS["<|transcribe|>"], "translate": IDS["<|translate|>"]},
        is_multilingual=multilingual,
        max_initial_timestamp_index=50,
        suppress_tokens=list(range(IDS["<|startoftranscript|>"], IDS["<|notimestamps|>"])),
        begin_suppress_tokens=[IDS["<|endoftext|>"]],
        alignment_heads=[[0, 0]],
    )


def _tokenizer() -> WhisperTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = WhisperTokenizer(vocab={letter: number for number, letter in enumerate(letters)}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIALS[1:])})
    tokenizer.add_tokens([f"<|{step * 0.02:.2f}|>" for step in range(1501)])
    return tokenizer


def _plant(model: WhisperForConditionalGeneration, ids: Sequence[int]) -> None:
    """Make position ``p`` of the decoder predict ``ids[p]``, whatever was heard or said."""
    with torch.no_grad():
        tokens = model.model.decoder.embed_tokens.weight
        tokens.normal_(generator=torch.Generator().manual_seed(0))
        for position, token in enumerate(ids):
            model.model.decoder.embed_positions.weight[position] = 100 * tokens[token]
