"""An example for every operation that takes something. Tests execute each one.

They are written for a project with an endpoint ``chat`` and one key; the order of the
document is the order in which they run, each on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """What to send."""

    body: dict[str, Any] | list[Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


PATHS: dict[str, tuple[str, str]] = {
    "project_id": ("proj_Ab3dE5fG7hJ9", "The project's id"),
    "slug": ("chat", "An endpoint's slug, or its id"),
    "key_id": ("key_Ab3dE5fG7hJ9", "A key's id"),
    "member_id": ("mem_Ab3dE5fG7hJ9", "A member's id"),
    "budget_id": ("bud_Ab3dE5fG7hJ9", "A budget's id"),
    "invitation_id": ("inv_Ab3dE5fG7hJ9", "An invitation's id"),
    "agent_id": ("agt_Ab3dE5fG7hJ9", "A machine's id"),
    "backend_id": ("bck_Ab3dE5fG7hJ9", "A backend's id"),
    "join_key_id": ("jk_Ab3dE5fG7hJ9", "A join key's id"),
    "model_id": ("mdl_Ab3dE5fG7hJ9", "A model's id, or its name if that has no slash"),
    "tier": ("free", "A tier's id"),
    "number": ("2", "The number of the terms"),
}
"""Name of a part of the path → an example, and what it is."""

_SERVER = {"url": "https://models.example/v1", "credential": "sk-of-that-server"}
EXAMPLES: dict[str, Example] = {
    "ask_backend": Example({**_SERVER}),
    "add_backend": Example(
        {
            **_SERVER,
            "name": "cloud",
            "models": {"smollm2-135m-instruct": "smollm2-135m-instruct"},
            "slots": 16,
        }
    ),
    "change_backend": Example({"state": "paused"}),
    "rotate_backend_credential": Example({"credential": "sk-another"}),
    "open_endpoint": Example({"slug": "support", "model": "smollm2-135m-instruct", "tier": "free"}),
    "change_endpoint": Example({"state": "paused"}),
    "retire_endpoint": Example(query={"slug": "chat"}),
    "issue_api_key": Example(
        {
            "name": "nightly",
            "scopes": ["inference"],
            "endpoint": "chat",
            "expires_at": "2099-01-01T00:00:00Z",
            "ip_filter": {"allow": ["10.0.0.0/8", "2001:db8::/32"], "block": ["10.0.0.13"]},
            "quota": {"requests": 1000, "window_s": 3600},
        }
    ),
    "change_api_key": Example({"name": "nightly batch", "expires_at": None}),
    "rotate_api_key": Example({"grace_s": 3600}),
    "set_api_key_ip_filter": Example({"allow": ["203.0.113.0/24"], "block": []}),
    "set_api_key_quota": Example({"requests": 100, "window_s": 60}),
    "mint_pass": Example({"endpoint": "chat", "subject": "user-7"}),
    "set_budget": Example({"scope": "project", "amount": 50_000_000, "enforced": True}),
    "change_budget": Example({"amount": 75_000_000}),
    "change_project": Example({"name": "Acme Research"}),
    "delete_project": Example(query={"slug": "acme"}),
    "transfer_project": Example({"member": "mem_Ab3dE5fG7hJ9"}),
    "change_member": Example({"role": "viewer"}),
    "operator_add_model": Example(
        {
            "name": "Qwen/Qwen2.5-7B",
            "task": "generate",
            "size_bytes": 15_200_000_000,
            "context_length": 32768,
            "formats": ["safetensors"],
        }
    ),
    "operator_change_model": Example({"capabilities": ["chat", "streaming"]}),
    "operator_set_terms": Example(
        {"requests_per_min": 128, "effective_from": "2099-01-01T00:00:00Z"}
    ),
    "issue_join_key": Example(
        {
            "name": "rack 7",
            "region": "eu-west",
            "name_pattern": "gpu-*",
            "needs_approval": True,
            "uses_max": 8,
            "expires_at": "2099-01-01T00:00:00Z",
        }
    ),
    "change_agent": Example({"state": "suspended", "reason": "new fans"}),
    "invite_member": Example({"email": "grace@example.com", "role": "member"}),
}
