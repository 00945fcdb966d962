"""What can be asked of a model, in the words of OpenAI's paths."""

from __future__ import annotations

OPERATIONS: dict[str, tuple[str, ...]] = {
    "chat/completions": ("generate",),
    "completions": ("generate",),
    "responses": ("generate",),
    "embeddings": ("embed",),
    "rerank": ("score", "embed"),
    "score": ("score", "embed"),
}
"""Operation → the tasks of models that may speak it. An operation is its path below
``/v1/``; ``Worker.operations`` lists those that a worker really answers, because an embedding
model may score, and most servers have no ``responses``."""
