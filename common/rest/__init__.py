"""What every resource of the management API shares. Resources import from here.

Strict input, one list shape, cursors, answers given once, preconditions, rate limits:
``docs/adr/0012-management-api-conventions.md`` says why each is as it is.
"""

from __future__ import annotations

from common.rest.idempotency import answered_once
from common.rest.inputs import NoQuery, StrictSerializer, Window, parse
from common.rest.lists import as_list, page_of, page_shape
from common.rest.money import CurrencyField
from common.rest.preconditions import check_match, etag_of
from common.rest.views import ManagementView, once_seated

__all__ = [
    "CurrencyField",
    "ManagementView",
    "NoQuery",
    "StrictSerializer",
    "Window",
    "answered_once",
    "as_list",
    "check_match",
    "etag_of",
    "once_seated",
    "page_of",
    "page_shape",
    "parse",
]
