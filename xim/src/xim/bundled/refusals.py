"""What the embedding engine refuses, in OpenAI's error envelope."""

from __future__ import annotations

from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not served, with the status and words its caller gets."""

    status = 400
    code: str | None = None
    kind = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def answer(self) -> JSONResponse:
        """Return the refusal as OpenAI would put it."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return JSONResponse({"error": error}, status_code=self.status)


class Malformed(Refused):
    """The body is not what the path takes."""

    code = "invalid_request"


class TooLarge(Refused):
    """The body has more bytes, or the batch more texts, than are taken at once."""

    status = 413
    code = "request_too_large"


class WrongKey(Refused):
    """No bearer key, or not ours."""

    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"
