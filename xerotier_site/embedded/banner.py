"""What a person reads when the platform is up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RULE = "─" * 78
QUESTION = (
    '{"model": "smollm2", "messages": '
    '[{"role": "user", "content": "What is the capital of France?"}]}'
)


@dataclass(frozen=True, slots=True)
class Up:
    """What there is to say."""

    url: str
    home: Path
    data: Path
    quickstart: Mapping[str, str]
    is_first: bool
    missing: Sequence[str]
    with_models: bool


def text(up: Up) -> str:
    """Return the banner."""
    lines = [RULE, f"  Xerotier is running.   Dashboard: {up.url}/", ""]
    lines += _sign_in(up)
    if up.with_models and not any("chat" in one or "smollm2" in one for one in up.missing):
        lines += ["", "  Ask the model:", "", *_curl(up)]
    lines += ["", *_notes(up), "", "  Ctrl-C stops everything.", RULE]
    return "\n".join(lines)


def _sign_in(up: Up) -> list[str]:
    email = up.quickstart.get("XEROTIER_OPERATOR_EMAIL", "")
    if up.is_first:
        password = up.quickstart["XEROTIER_OPERATOR_PASSWORD"]
        return [f"  Sign in:   {email}", f"  Password:  {password}   (shown this once)"]
    return [f"  Sign in:   {email} (password in {up.home / 'quickstart.env'})"]


def _curl(up: Up) -> list[str]:
    # The first time all of it can be pasted; later the key stays in its file.
    base = up.quickstart["OPENAI_BASE_URL"] if up.is_first else "$OPENAI_BASE_URL"
    key = up.quickstart["OPENAI_API_KEY"] if up.is_first else "$OPENAI_API_KEY"
    return [
        *([] if up.is_first else [f"  . {up.home / 'quickstart.env'}"]),
        f"  curl {base}/chat/completions \\",
        f'    -H "Authorization: Bearer {key}" \\',
        "    -H 'Content-Type: application/json' \\",
        f"    -d '{QUESTION}'",
    ]


def _notes(up: Up) -> list[str]:
    notes = [
        f"  Settings and keys for scripts: {up.home / 'quickstart.env'}",
        f"  Logs: {up.home / 'logs'}   Mail (verification codes) is printed here.",
        "  The first endpoints are on the tier “free”: 64 requests and 10,000 tokens a minute,",
        "  100,000 tokens a month, and here 300 s for a whole answer (30 s as shipped: this is a",
        "  processor). Change its terms by manage.py tiers set free, or in the console.",
    ]
    if up.data != up.home:
        notes.append(f"  {up.home} is closed to the databases' user: their data is in {up.data}.")
    if not up.with_models:
        notes.append("  No model runs here (XEROTIER_MODEL=0). Let a machine join: /docs/machines")
    return notes + [f"  Missing: {sentence}" for sentence in up.missing]
