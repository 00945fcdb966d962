"""What tests want otherwise: fast passwords, mail in memory, known keys. Same stores."""

from __future__ import annotations

from xerotier_site.settings import *  # noqa: F403 - this is the one place that means all of it

SECRET_KEY = "a-test-key-that-is-long-enough-for-everything-that-looks"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
PAGES_PER_MIN = LETTERS_PER_HOUR = 1_000_000
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
KEYRING = ["dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtbG9uZyE="]
PEPPERS = ["test:a-test-pepper"]
ALLOWED_HOSTS = ["*"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
