"""Virtual machines in Django admin: to be read; what is done to them is done on their pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.callers import caller
from accounts.models import User
from common.sentences import gettext_lazy as _
from common.templatetags.eve import state_badge

from .models import Vm
from .selectors import vms_managed_by


@admin.register(Vm)
class VmAdmin(admin.ModelAdmin[Vm]):
    """The VMs on the hosts that a staff member manages."""

    list_display = ("name", "badge", "project", "hypervisor", "site", "vcpus", "page")
    list_filter = ("state",)
    list_select_related = ("project", "hypervisor__site")
    search_fields = ("name", "=id", "remarks", "project__name", "hypervisor__name")
    ordering = ("name", "id")
    exclude = ("facts", "state_before", "state_before_since")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Vm]:
        """By the caller's sites."""
        return vms_managed_by(caller(request))

    @admin.display(description=_("state"), ordering="state")
    def badge(self, vm: Vm) -> SafeString:
        """As on every page."""
        return state_badge(vm.state)

    @admin.display(description=_("site"), ordering="hypervisor__site__name")
    def site(self, vm: Vm) -> str:
        """Where its host stands."""
        return vm.hypervisor.site.name

    @admin.display(description=_("page"))
    def page(self, vm: Vm) -> SafeString:
        """The way to its page."""
        return format_html('<a href="{}">{}</a>', reverse("vm-detail", args=[vm.pk]), _("Open"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff."""
        return isinstance(request.user, User) and request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff; the queryset says of which VMs."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """VMs come by adoption."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not here: what is missing on its host is forgotten on the page of drift."""
        return False
