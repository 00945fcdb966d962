"""Settings of the control plane. Every value from outside comes through ``env``."""

from __future__ import annotations

import sys
from pathlib import Path

from csp import constants as csp

from xerotier_site import admin_site, env, providers
from xerotier_site.measures import *  # noqa: F403 - each name of it is a setting

ROOT = Path(__file__).resolve().parent.parent

# ── Where and what this is ─────────────────────────────────────────────────────────────
ENVIRONMENT = env.choice("XEROTIER_ENV", env.ENVIRONMENTS, "production")
IS_PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.flag("XEROTIER_DEBUG", default=False)
HOME = Path(env.text("XEROTIER_HOME", "var")).absolute()
PUBLIC_URL = env.url("XEROTIER_URL", ["https", "http"], "http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.names("XEROTIER_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
SECRET_KEY = env.text("XEROTIER_SECRET_KEY", "insecure-development-key")
KEYRING = env.keyring("XEROTIER_KEYRING")
"""Fernet keys that seal secrets at rest; the first seals, all open."""
PEPPERS = env.names("XEROTIER_PEPPERS", ["dev:insecure-development-pepper"])
"""``name:value`` pairs, newest first: the HMAC keys of API key digests."""

ROOT_URLCONF = "xerotier_site.urls"
ASGI_APPLICATION = "xerotier_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
APPEND_SLASH = True

# Daphne replaces `runserver`, the pages' development server; nobody else pays for its start.
INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django_htmx",
    "csp",
    "common",
    "audit",
    "accounts",
    "projects",
    "catalog",
    "agents",
    "endpoints",
    "apikeys",
    "enrolment",
    "ledger",
    "usage",
    "routing",
    "publisher",
    "api",
    "dashboard",
    "inference",
    "xerotier_site",
]

MIDDLEWARE = [
    "api.middleware.ApiFrame",
    "xerotier_site.middleware.strangers_words",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "xerotier_site.later.page_rate",
    "xerotier_site.middleware.short_memory",
    "xerotier_site.middleware.page_headers",
    "xerotier_site.middleware.farewell",
    "xerotier_site.middleware.no_nul",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "xerotier_site.middleware.second_factor",
    "common.middleware.tenant_wall",
    "xerotier_site.impersonation.middleware",
    "xerotier_site.later.LaterPages",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.shell.processors.theme",
                "dashboard.shell.processors.frame",
                "dashboard.shell.processors.mail",
                "xerotier_site.impersonation.banner",
            ],
            "builtins": ["dashboard.templatetags.pieces"],
        },
    },
]

# ── Where things are kept ──────────────────────────────────────────────────────────────
DATABASE_URL = env.url("DATABASE_URL", ["postgresql", "postgres"], "postgresql:///xerotier")
DATABASES = {"default": env.database(DATABASE_URL)}
VALKEY_URL = env.url("VALKEY_URL", env.VALKEYS, "redis://localhost:6379")
CACHE_VALKEY = env.valkey(VALKEY_URL, db=2)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_VALKEY,
        "OPTIONS": {"serializer": "common.json_cache.JsonSerializer"},
        "VERSION": 2,  # 1 were pickles.
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [env.valkey(VALKEY_URL, db=1)]},
    }
}
PLANE_VALKEY = env.valkey(VALKEY_URL, db=0)
CELERY_BROKER_URL = env.broker(VALKEY_URL, db=3)
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# ── People ─────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["accounts.hashing.BoundedArgon2"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
# Offered, it would be missing just where the address has an account already.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = False
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_EMAIL_CONFIRMATION_AUTHENTICATED_REDIRECT_URL = "/auth/email/"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_FORMS = {"signup": "accounts.forms.Registration"}
ACCOUNT_RATE_LIMITS = {
    # "key" is an account and a network, or an account and a browser (``accounts.adapter``).
    "login_failed": "10/m/ip,5/5m/key",
    # By address alone: counted by account, anybody could keep its holder from a reset.
    "reset_password": "20/m/ip",
}
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PUBLIC_URL.partition(":")[0]
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/dashboard/"
USERSESSIONS_TRACK_ACTIVITY = True
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = MFA_PASSKEY_SIGNUP_ENABLED = MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {"add_webauthn": "accounts.forms.AddPasskey"}
MFA_TOTP_ISSUER = "Xerotier"
SOCIALACCOUNT_ADAPTER = "accounts.adapter.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = providers.from_environment(is_production=IS_PRODUCTION)
SOCIALACCOUNT_QUERY_EMAIL = True
TRUSTED_PROXIES = env.networks("XEROTIER_TRUSTED_PROXIES")
"""Networks whose ``X-Forwarded-For`` is believed, on both planes."""
METRICS_ALLOW = env.networks("XEROTIER_METRICS_ALLOW", ["127.0.0.0/8", "::1/128"])
METRICS_TOKEN = env.text("XEROTIER_METRICS_TOKEN", "").encode()
REQUIRE_2FA = env.flag("XEROTIER_REQUIRE_2FA", default=False)
"""Everyone needs a second factor to do anything but set one up."""
REQUIRE_STAFF_2FA = env.flag("XEROTIER_REQUIRE_STAFF_2FA", default=ENVIRONMENT != "development")
"""Operators need one for the console; production refuses to start without."""
MAIL_SERVER = env.mail_server("XEROTIER_SMTP_URL")
EMAIL_BACKEND = env.text(
    "XEROTIER_EMAIL_BACKEND",
    "xerotier_site.mail.ServerBackend" if MAIL_SERVER else "xerotier_site.mail.TerminalBackend",
)
if MAIL_SERVER:
    EMAIL_HOST, EMAIL_PORT = MAIL_SERVER.host, MAIL_SERVER.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL_SERVER.user, MAIL_SERVER.password
    EMAIL_USE_SSL, EMAIL_USE_TLS = MAIL_SERVER.is_tls, MAIL_SERVER.is_starttls
EMAIL_TIMEOUT = 10
"""Seconds that a request may wait for the mail server."""
DEFAULT_FROM_EMAIL = env.text("XEROTIER_EMAIL_FROM", "Xerotier <no-reply@localhost>")

# ── Pages ──────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = HOME / "static"
# Nothing inline and nothing from elsewhere; the console has a policy of its own
# (``xerotier_site.middleware``), because its skin evaluates expressions.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],
        "connect-src": [csp.SELF],
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}
IS_ENCRYPTED = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_ENCRYPTED
SESSION_COOKIE_NAME = "__Host-sessionid" if IS_ENCRYPTED else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_ENCRYPTED else "csrftoken"
SECURE_HSTS_SECONDS = 31_536_000 if IS_ENCRYPTED else 0
# Both bind names that are not this platform's, preload for years: for its operator to say.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("XEROTIER_HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("XEROTIER_HSTS_PRELOAD", default=False)
SECURE_SSL_REDIRECT = IS_ENCRYPTED
# ``check --deploy`` warns of these two; that they are off here is meant.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
# Believed from trusted proxies only: ``strangers_words`` drops it from anyone else.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
WHITENOISE_USE_FINDERS = True  # serves static/ as it is committed; nothing has to be collected
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
DATA_UPLOAD_MAX_NUMBER_FILES = 5

# ── The console ────────────────────────────────────────────────────────────────────────
UNFOLD = admin_site.UNFOLD

# ── Management API ─────────────────────────────────────────────────────────────────────
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "api.problems.to_response",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SCANNER_KEYS = env.text("XEROTIER_SCANNER_KEYS", "")
"""Public keys of those whose reports of leaked keys we believe, as GitHub publishes them."""
# Whole months of requests (0: all), days of decisions that went wrong, per cent of all others.
USAGE_MONTHS = env.number("XEROTIER_USAGE_MONTHS", 0)
DECISION_DAYS = env.number("XEROTIER_DECISION_DAYS", 14, least=1)
DECISION_SAMPLE = env.number("XEROTIER_DECISION_SAMPLE", 1)
SPECTACULAR_SETTINGS = {
    "TITLE": "Xerotier API",
    "VERSION": "1",
    "DESCRIPTION": "Inference on your endpoints, and everything that manages them.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["api.schema.only_ours"],
    "POSTPROCESSING_HOOKS": ["api.schema.complete"],
    "COMPONENT_SPLIT_PATCH": False,
}

# ── Money ──────────────────────────────────────────────────────────────────────────────
CURRENCY = env.currency("XEROTIER_CURRENCY", "USD")
"""What prices, balances and payments are in, as ISO code; payments in another are set aside."""
STRIPE_WEBHOOK_SECRET = env.text("XEROTIER_STRIPE_WEBHOOK_SECRET", "")
"""Signs the notices of payments; empty: no payments are taken."""
