"""Addresses of joining: below a project for people, at the root for machines."""

from __future__ import annotations

from django.urls import path

from enrolment.api import JoinKeyDetail, JoinKeyList
from enrolment.machines_api import Enrolment, EnrolmentEnd, EnrolmentRefresh

management = [
    path("join-keys", JoinKeyList.as_view(), name="join-keys"),
    path("join-keys/<str:join_key_id>", JoinKeyDetail.as_view(), name="join-key"),
]
urlpatterns = [
    path("v1/enroll", Enrolment.as_view(), name="enroll"),
    path("v1/enroll/refresh", EnrolmentRefresh.as_view(), name="enroll-refresh"),
    path("v1/enroll/leave", EnrolmentEnd.as_view(), name="enroll-leave"),
]
