"""Addresses of the project resources, below a project."""

from __future__ import annotations

from django.urls import path

from projects.api import invitations, members, settings

urlpatterns = [
    path("project", settings.ProjectDetail.as_view(), name="management-project"),
    path("project/restore", settings.ProjectRestore.as_view(), name="management-restore"),
    path("project/transfer", settings.ProjectTransfer.as_view(), name="management-transfer"),
    path("project/leave", settings.ProjectLeave.as_view(), name="management-leave"),
    path("members", members.MemberList.as_view(), name="management-members"),
    path("members/<str:member_id>", members.MemberDetail.as_view(), name="management-member"),
    path("invitations", invitations.InvitationList.as_view(), name="management-invitations"),
    path(
        "invitations/<str:invitation_id>",
        invitations.InvitationDetail.as_view(),
        name="management-invitation",
    ),
]
