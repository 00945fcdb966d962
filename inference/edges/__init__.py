"""Where callers arrive: two ways from bytes to the core, over uvicorn's protocol and over ASGI."""
