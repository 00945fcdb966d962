// Drives the official Node SDK with nothing but base URL and key, and prints what came back as JSON.
import OpenAI from "openai";

const chat = new OpenAI({ maxRetries: 0 });
const embed = new OpenAI({ baseURL: process.env.XEROTIER_EMBEDDINGS_URL, maxRetries: 0 });
const messages = [{ role: "user", content: "What is the capital of France?" }];
const seen = {};

const whole = await chat.chat.completions.create({ model: "any", messages, max_tokens: 24 });
seen.whole = { text: whole.choices[0].message.content, usage: whole.usage };

seen.pieces = [];
const stream = await chat.chat.completions.create({ model: "any", messages, max_tokens: 24, stream: true });
for await (const chunk of stream) {
  seen.pieces.push({ text: chunk.choices[0]?.delta?.content ?? "", usage: chunk.usage ?? null });
}

seen.usageAsked = [];
const asked = await chat.chat.completions.create({
  model: "any", messages, max_tokens: 8, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of asked) if (chunk.usage) seen.usageAsked.push(chunk.usage);

seen.models = (await chat.models.list()).data.map((model) => model.id);
const vectors = await embed.embeddings.create({ model: "any", input: ["one", "two"] });
seen.embeddings = vectors.data.map((item) => item.embedding.length);

try {
  await new OpenAI({ apiKey: "xero_nobody_" + "a".repeat(49), maxRetries: 0 }).models.list();
} catch (error) {
  seen.refusal = { kind: error.constructor.name, status: error.status, code: error.code, id: error.requestID };
}
console.log(JSON.stringify(seen));
