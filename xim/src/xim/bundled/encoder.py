"""Texts to vectors: all-MiniLM-L6-v2 on ONNX Runtime, mean-pooled and of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from xim.bundled import machine

DIMENSIONS = 384
CONTEXT_TOKENS = 256
"""What the model was trained to read; more of a text is cut off, as its authors do."""
BATCH = 16

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row of 384 numbers per text, and how many tokens were read for them."""

    vectors: Vectors
    tokens: int


class Encoder:
    """The model in memory. Not for several threads at once."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = machine.spare_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return the vectors of ``texts``, in their order; a long text counts by its beginning."""
        encodings = [self._tokens_of(text) for text in texts]
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        # Texts of like length go together: a batch is as wide as its longest text.
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = self._vectors_of([encodings[index] for index in batch])
        return Encoded(vectors, tokens=sum(len(encoding.ids) for encoding in encodings))

    def _tokens_of(self, text: str) -> Encoding:
        encoding = self._tokenizer.encode(text)
        encoding.truncate(CONTEXT_TOKENS)
        return encoding

    def _vectors_of(self, encodings: list[Encoding]) -> Vectors:
        width = max(len(encoding.ids) for encoding in encodings)
        ids = np.zeros((len(encodings), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        outputs: list[Any] = self._session.run(None, feed)
        return _pooled(outputs[0], mask)


def _pooled(states: Vectors, mask: NDArray[np.int64]) -> Vectors:
    weights = mask[:, :, None].astype(np.float32)
    mean = (states * weights).sum(axis=1) / weights.sum(axis=1)
    pooled: Vectors = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return pooled
