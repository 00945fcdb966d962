"""How the console looks: its colours, its name, and what its sidebar leads to.

Every page the console has is in here; a test compares.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse_lazy


def _link(title: str, icon: str, page: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{page}_changelist")}


SIDEBAR: list[dict[str, Any]] = [
    {
        "title": "",
        "items": [{"title": "Overview", "icon": "monitoring", "link": reverse_lazy("admin:index")}],
    },
    {
        "title": "Tenants",
        "separator": True,
        "items": [
            {"title": "All tenants", "icon": "domain", "link": reverse_lazy("tenants")},
            _link("Projects", "workspaces", "projects_project"),
            _link("Members", "group", "projects_membership"),
            _link("Endpoints", "hub", "endpoints_endpoint"),
            _link("API keys", "key", "apikeys_apikey"),
        ],
    },
    {
        "title": "Service",
        "separator": True,
        "items": [
            _link("Machines", "memory", "agents_agent"),
            _link("Join keys", "vpn_key", "enrolment_joinkey"),
            _link("Workers", "dns", "agents_worker"),
            _link("Catalog", "deployed_code", "catalog_catalogmodel"),
            _link("Tiers and prices", "sell", "catalog_servicetier"),
        ],
    },
    {
        "title": "Numbers",
        "separator": True,
        "items": [
            _link("Usage", "bar_chart", "usage_usagerecord"),
            _link("Usage by hour and day", "stacked_bar_chart", "usage_usagerollup"),
            {
                "title": "Reconciliation",
                "icon": "balance",
                "link": reverse_lazy("admin:usage_reconcile"),
            },
            _link("Ledger", "receipt_long", "ledger_ledgerentry"),
            _link("Unmatched payments", "credit_card_off", "ledger_unmatchedpayment"),
            _link("Budgets", "savings", "usage_budget"),
            _link("Budget notices", "notifications", "usage_budgetnotice"),
            _link("Refusals", "block", "usage_refusalrollup"),
            _link("Refused requests", "person_cancel", "usage_refusedcall"),
            _link("Routing decisions", "alt_route", "routing_keptdecision"),
            _link("Unreadable usage events", "report", "usage_poisonevent"),
        ],
    },
    {
        "title": "People",
        "separator": True,
        "items": [
            _link("People", "person", "accounts_user"),
            _link("Addresses", "mail", "account_emailaddress"),
            _link("Second factors", "passkey", "mfa_authenticator"),
            _link("Sessions", "devices", "usersessions_usersession"),
            _link("Linked accounts", "link", "socialaccount_socialaccount"),
            _link("Operator tokens", "vpn_key", "accounts_operatortoken"),
            _link("Sign-in providers", "login", "socialaccount_socialapp"),
        ],
    },
    {
        "title": "Record",
        "separator": True,
        "items": [
            _link("Audit log", "history", "audit_auditentry"),
            _link("Proofs of the audit log", "verified", "audit_auditanchor"),
            _link("Changes to publish", "outbox", "common_outboxentry"),
            _link("Deliveries of changes", "forward_to_inbox", "common_outboxdelivery"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Xerotier console",
    "SITE_HEADER": "Xerotier",
    "SITE_SYMBOL": "hub",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "xerotier_site.admin_home.overview",
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": SIDEBAR},
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 285)",
            "100": "oklch(94% .03 285)",
            "200": "oklch(89% .06 285)",
            "300": "oklch(81% .11 285)",
            "400": "oklch(70% .17 285)",
            "500": "oklch(60% .2 285)",
            "600": "oklch(54% .2 285)",
            "700": "oklch(47% .18 285)",
            "800": "oklch(40% .15 285)",
            "900": "oklch(34% .12 285)",
            "950": "oklch(25% .09 285)",
        },
    },
}
