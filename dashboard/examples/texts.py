"""The texts of the examples: the first request of each task, by language and by client."""

from __future__ import annotations

ENV = """\
OPENAI_BASE_URL={base_url}
OPENAI_API_KEY={key}"""

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
    "langchain": """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="{base_url}",
    api_key="{key}",
    model="{model}",
)
print(model.invoke("Capital of France?").content)""",
    "litellm": """\
from litellm import completion

answer = completion(
    model="openai/{model}",
    api_base="{base_url}",
    api_key="{key}",
    messages=[{{"role": "user", "content": "Capital of France?"}}],
)
print(answer.choices[0].message.content)""",
    "vercel": """\
import {{ createOpenAICompatible }} from "@ai-sdk/openai-compatible";
import {{ generateText }} from "ai";

const xerotier = createOpenAICompatible({{
  name: "xerotier",
  baseURL: "{base_url}",
  apiKey: "{key}",
}});
const {{ text }} = await generateText({{
  model: xerotier("{model}"),
  prompt: "Capital of France?",
}});
console.log(text);""",
    "webui": """\
docker run -p 3000:8080 \\
  -e OPENAI_API_BASE_URL="{base_url}" \\
  -e OPENAI_API_KEY="{key}" \\
  ghcr.io/open-webui/open-webui:main""",
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
    "langchain": """\
from langchain_openai import OpenAIEmbeddings

model = OpenAIEmbeddings(
    base_url="{base_url}",
    api_key="{key}",
    model="{model}",
    check_embedding_ctx_length=False,
)
print(len(model.embed_query("A sentence to find again.")))""",
    "litellm": """\
from litellm import embedding

answer = embedding(
    model="openai/{model}",
    api_base="{base_url}",
    api_key="{key}",
    input=["A sentence to find again."],
)
print(len(answer.data[0]["embedding"]))""",
}

_SCORE = {
    "curl": """\
export OPENAI_API_KEY="{key}"
curl {base_url}/score \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "text_1": "A question", "text_2": ["One answer", "Another"]}}'""",
}

BY_TASK = {"generate": _CHAT, "embed": _EMBED, "score": _SCORE}

FIRST: dict[str, tuple[str, dict[str, object]]] = {
    "generate": (
        "chat/completions",
        {"messages": [{"role": "user", "content": "Capital of France?"}], "max_tokens": 60},
    ),
    "embed": ("embeddings", {"input": ["A sentence to find again."]}),
    "score": ("score", {"text_1": "A question", "text_2": ["One answer", "Another"]}),
}
"""Operation and body of a first request, beside the model."""
