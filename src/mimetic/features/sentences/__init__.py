"""Words become one vector by a pretrained text encoder: any of ``transformers``' own that has a tokenizer.

In go what is said in a clip (``Words``) and a checkpoint's folder; out comes one row a clip: the model's last hidden
state, pooled over its tokens, and for a classifier its scores after that. A long text is cut into chunks of tokens,
and its row is their mean by how many tokens each has. An empty text is a text: its row is that of the tokens which the
model puts around every text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mimetic.checkpoints import read_config
from mimetic.features.sentences.opening import open_encoder, open_tokenizer, room
from mimetic.models import Inputs, Rows
from mimetic.records import Words

if TYPE_CHECKING:
    from torch import Tensor

FILLED_UP = (
    *("albert", "bert", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "gte"),
    *("modernbert", "mpnet", "new", "nomic_bert", "roberta", "xlm-roberta", "xlm-roberta-xl"),
)
"""Model types whose rows do not change when shorter texts are filled up to the longest: measured, at most 1e-6.

In others the fill leaks through the mask (ConvBERT's convolutions, FNet, BigBird, MobileBERT, Nystromformer: up to
1.4): texts share a batch with texts of the same length only.
"""

SHORTEST = 16
"""Tokens; texts up to it, and up to each doubling of it, share batches."""


class Sentences:
    """A text encoder, its tokens pooled.

    Parameters
    ----------
    folder
        with ``config.json``, the weights, and ``tokenizer.json`` or an older vocabulary.
    pooling
        ``cls``: the first token; ``mean``: of all tokens, those around the text included.
    normalise
        scale a clip's row to length 1, after the mean over its chunks.
    prefix
        put before the text, once (E5 wants ``"passage: "``).
    chunk
        tokens that go through the model at once, those around the text included; fewer if the model was made for
        fewer.
    precision
        ``fp32``; or ``bf16`` or ``fp16``, which matrix products are computed in, by autocast.

    Raises
    ------
    UsageError
        if the folder has no tokenizer, or a chunk has no room for text.
    """

    budget = 8192

    def __init__(
        self,
        folder: Path,
        *,
        pooling: str = "mean",
        normalise: bool = False,
        prefix: str = "",
        chunk: int = 512,
        precision: str = "fp32",
    ) -> None:
        self._folder, self._pooling, self._precision = folder, pooling, precision
        self._normalise, self._prefix = normalise, prefix
        config = read_config(folder)
        self._fills_up = config.get("model_type") in FILLED_UP
        self._tokenizer = open_tokenizer(folder)
        self._tokenizer.no_padding()  # a tokenizer's file may ask for both, and for another length
        self._tokenizer.enable_truncation(room(folder, config, self._tokenizer, chunk))

    def begin(self) -> SentencePreparation:
        """Start on a clip."""
        return SentencePreparation(self._chunks)

    def _chunks(self, text: str) -> Iterator[Inputs]:
        first = self._tokenizer.encode(self._prefix + text)
        for part in (first, *first.overflowing):
            if length := len(part.ids):  # a tokenizer that puts nothing around a text makes nothing of an empty one
                alike = _doubling(length) if self._fills_up else length
                tokens = np.array(part.ids, np.int32)
                yield Inputs(
                    arrays={"tokens": tokens}, cost=alike, group=alike, weight=float(length), unit=self._normalise
                )

    def load(self, device: str) -> SentenceModel:
        """Read the weights.

        Raises
        ------
        UsageError
            if the checkpoint lacks some, or the model is none of ``transformers``' own encoders.
        """
        from transformers import AutoModel

        from mimetic.features.sentences.reader import Reader

        network = open_encoder(AutoModel, self._folder).to(device)
        return SentenceModel(Reader(network, pooling=self._pooling).eval(), device=device, precision=self._precision)


class ScoredSentences(Sentences):
    """A text classifier: the pooled embedding, then its scores, both as they are: nothing is scaled.

    Scores are probabilities: each on its own where the checkpoint says that a text may have several labels (as
    go_emotions' does), else together 1. That is how ``transformers``' own pipeline reads the configuration.
    """

    def __init__(
        self, folder: Path, *, pooling: str = "cls", prefix: str = "", chunk: int = 512, precision: str = "fp32"
    ) -> None:
        super().__init__(folder, pooling=pooling, prefix=prefix, chunk=chunk, precision=precision)

    def load(self, device: str) -> SentenceModel:
        """Read the weights, the classifier's too; errors are those of ``Sentences``."""
        from transformers import AutoModelForSequenceClassification

        from mimetic.features.sentences.reader import Judge

        network = open_encoder(AutoModelForSequenceClassification, self._folder).to(device)
        return SentenceModel(Judge(network, pooling=self._pooling).eval(), device=device, precision=self._precision)


class SentencePreparation:
    """One clip on its way: its words, until all are there."""

    def __init__(self, chunks: Callable[[str], Iterator[Inputs]]) -> None:
        self._chunks = chunks
        self._texts: list[str] = []

    def add(self, piece: Words) -> Iterable[Inputs]:
        """Take what is said."""
        self._texts.append(piece.text)
        return ()

    def finish(self) -> Iterable[Inputs]:
        """Give the text in chunks; none where there were no words to take."""
        return self._chunks(" ".join(self._texts)) if self._texts else ()


class SentenceModel:
    """A text encoder on its device: tokens in, one row each out.

    Parameters
    ----------
    graph
        a ``Reader``: its ``network`` can go on learning.
    """

    def __init__(self, graph: Any, *, device: str, precision: str) -> None:
        self.graph, self.network = graph, graph.network
        self._own, self._device, self._precision = graph, device, precision
        self._padding = getattr(self.network.config, "pad_token_id", None) or 0

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        """Give each one's row."""
        from torch import device

        from mimetic.weights import computing

        with computing(device(self._device), self._precision):
            rows = [row for feed in self.feeds(batch) for row in self.graph(*feed)[0]]
        return [Rows(values=row[None].float().cpu().numpy()) for row in rows]

    def feeds(self, batch: Sequence[Inputs]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give all texts at once, the shorter ones filled up: tokens, and which of them are a text's own."""
        from torch import from_numpy, ones_like
        from torch.nn.utils.rnn import pad_sequence

        texts = [from_numpy(inputs.arrays["tokens"].astype(np.int64)) for inputs in batch]
        mask = pad_sequence([ones_like(text) for text in texts], batch_first=True)
        tokens = pad_sequence(texts, batch_first=True, padding_value=self._padding)
        yield tokens.to(self._device), mask.to(self._device)

    def examples(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Give two texts, and three longer ones."""
        from torch import arange, ones_like

        two, three = arange(2 * 8).reshape(2, 8) + 1, arange(3 * 12).reshape(3, 12) + 1
        return (two, ones_like(two)), (three, ones_like(three))

    def states(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Give each one's row, ``(1, dim)``, with gradients."""
        return [row[None] for feed in self.feeds(batch) for row in self._own(*feed)[0]]

    def save(self, folder: Path) -> None:
        """Write the network."""
        self.network.save_pretrained(folder)


def _doubling(length: int) -> int:
    """Give the smallest ``SHORTEST * 2 ** n`` that holds this many tokens."""
    return SHORTEST << ((length - 1) // SHORTEST).bit_length()
