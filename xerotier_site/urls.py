"""Where every control-plane address is mounted."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from projects.pages import invitation
from xerotier_site import impersonation, mail_page, retire_page, tenants
from xerotier_site.reference import api_reference

# The people who may look behind everything sign in by the same door, with the same limits
# and second factor, as everyone else.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign] # why: allauth's documented way
admin.site.site_header = "Xerotier"
admin.site.site_title = "Xerotier console"
admin.site.index_title = "Console"

# Operators change their password where everyone does: with its limits and its letter.
to_password_change = RedirectView.as_view(pattern_name="account_change_password")

handler500 = "xerotier_site.later.server_error"

urlpatterns = [
    path("admin/see-as/end/", impersonation.end, name="see-as-end"),
    path("admin/see-as/<int:user_id>/", impersonation.begin, name="see-as"),
    path("admin/test-mail/", mail_page.send_test_mail, name="test-mail"),
    path("admin/retire-workers/", retire_page.retire_workers, name="retire-workers"),
    path("admin/tenants/", tenants.tenant_list, name="tenants"),
    path("admin/tenants/<str:public_id>/", tenants.tenant, name="tenant"),
    path("admin/people/<int:user_id>/suspend/", tenants.suspend_person, name="suspend-person"),
    path("admin/password_change/", to_password_change),
    path("admin/", admin.site.urls),
    path("auth/", include("accounts.urls")),
    path("invitations/<str:token>/", invitation, name="invitation"),
    path("docs/api/", api_reference, name="api-reference"),
    path("", include("dashboard.urls")),
    path("", include("api.urls")),
]
