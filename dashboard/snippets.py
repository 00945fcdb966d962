"""Examples a reader can paste: their own URL, and a placeholder where their key goes."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name

PLACEHOLDER = "xero_…"

_CHAT = {
    "curl": """\
export OPENAI_API_KEY="{key}"
curl {base_url}/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "model": "{model}",
    "messages": [{{"role": "user", "content": "Capital of France?"}}]
  }}'""",
    "python": """\
from openai import OpenAI

client = OpenAI(
    base_url="{base_url}",
    api_key="{key}",
)
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Capital of France?"}}],
)
print(answer.choices[0].message.content)""",
    "node": """\
import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{base_url}",
  apiKey: "{key}",
}});
const answer = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "Capital of France?" }}],
}});
console.log(answer.choices[0].message.content);""",
}

_EMBED = {
    "curl": """\
export OPENAI_API_KEY="{key}"
curl {base_url}/embeddings \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "input": ["A sentence to find again."]}}'""",
    "python": """\
from openai import OpenAI

client = OpenAI(
    base_url="{base_url}",
    api_key="{key}",
)
answer = client.embeddings.create(
    model="{model}",
    input=["A sentence to find again."],
)
print(len(answer.data[0].embedding))""",
    "node": """\
import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{base_url}",
  apiKey: "{key}",
}});
const answer = await client.embeddings.create({{
  model: "{model}",
  input: ["A sentence to find again."],
}});
console.log(answer.data[0].embedding.length);""",
}

_SCORE = {
    "curl": """\
export OPENAI_API_KEY="{key}"
curl {base_url}/score \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "text_1": "A question", "text_2": ["One answer", "Another"]}}'""",
}

_BY_TASK = {"generate": _CHAT, "embed": _EMBED, "score": _SCORE}
_LABELS = {"curl": "curl", "python": "Python", "node": "Node"}
_LEXERS = {"curl": "bash", "python": "python", "node": "javascript"}


@dataclass(frozen=True, slots=True)
class Snippet:
    """One example in one language."""

    language: str
    label: str
    text: str
    html: SafeString
    element_id: str


def snippets_for(
    *, task: str, base_url: str, model: str, key: str = PLACEHOLDER, name: str = "example"
) -> tuple[Snippet, ...]:
    """Return the first request of a task in each language we show."""
    return tuple(
        _snippet(language, text.format(base_url=base_url, model=model, key=key), name)
        for language, text in _BY_TASK[task].items()
    )


def coloured(text: str, lexer: str) -> SafeString:
    """Return code as HTML, its words in Pygments' short classes."""
    html = highlight(text, get_lexer_by_name(lexer), HtmlFormatter(nowrap=True))
    return mark_safe(html.rstrip("\n"))  # noqa: S308  # escaped by Pygments


def _snippet(language: str, text: str, name: str) -> Snippet:
    return Snippet(
        language,
        _LABELS[language],
        text,
        coloured(text, _LEXERS[language]),
        f"{name}-{language}",
    )
