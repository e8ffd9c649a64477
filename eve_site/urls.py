"""Every address of Eve."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularSwaggerSplitView

from . import health
from .schema import SchemaView

api: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("operations.api.urls")),
    path("", include("hypervisors.api.urls")),
    path("", include("vms.api.urls")),
    path("", include("consoles.api.urls")),
    path("", include("notifications.api.urls")),
    path("schema", SchemaView.as_view(), name="api-schema"),
]

urlpatterns = [
    path("api/v1/", include(api)),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("accounts.urls")),
    path("", include("operations.urls")),
    path("", include("hypervisors.urls")),
    path("", include("vms.urls")),
    path("", include("consoles.urls")),
    path("", include("notifications.urls")),
]

handler400 = "eve_site.api_errors.bad_request"
handler403 = "eve_site.api_errors.permission_denied"
handler404 = "eve_site.api_errors.page_not_found"
handler500 = "eve_site.api_errors.server_error"
