"""Sites, hypervisors and certificates in Django admin, within the sites that a staff member manages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from accounts.callers import caller
from accounts.models import User
from accounts.selectors import is_unlimited_staff
from common.errors import EveError
from common.sentences import gettext as _
from common.sentences import gettext_lazy
from common.templatetags.eve import ago

from .errors import HypervisorInUse
from .models import Certificate, Hypervisor, HypervisorState, Site
from .selectors import certificates_for, hypervisor_for, hypervisors_for, sites_for
from .services import (
    certificate_revoke,
    hypervisor_delete,
    hypervisor_register,
    hypervisor_update,
    site_create,
    site_staff_set,
    site_update,
)
from .views import enrolment_page, new_line


def _is_staff(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_active and request.user.is_staff


def _is_unlimited(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and is_unlimited_staff(request.user)


@admin.register(Site)
class SiteAdmin(ModelAdmin[Site]):
    """Sites: seen by their staff, made by staff of every site; who is staff of a site is for superusers to say."""

    list_display = ("name", "hypervisor_count", "answering_count", "remarks")
    search_fields = ("name", "remarks")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        """By the caller's sites."""
        online = models.Q(hypervisors__state=HypervisorState.ONLINE)
        return sites_for(caller(request)).annotate(
            hypervisor_total=models.Count("hypervisors"),
            answering_total=models.Count("hypervisors", filter=online),
        )

    @admin.display(description=gettext_lazy("hypervisors"), ordering="hypervisor_total")
    def hypervisor_count(self, site: Site) -> int:
        """How many stand there."""
        return int(getattr(site, "hypervisor_total", 0))

    @admin.display(description=gettext_lazy("answering"), ordering="answering_total")
    def answering_count(self, site: Site) -> int:
        """How many of them answer."""
        return int(getattr(site, "answering_total", 0))

    def get_fields(self, request: HttpRequest, obj: Site | None = None) -> Any:
        """Who is staff of the site is not for staff to see or say."""
        return ["name", "remarks", "staff"] if caller(request).is_superuser else ["name", "remarks"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """All staff, each with a box to tick."""
        staff = User.objects.filter(is_staff=True).order_by("email")
        return super().formfield_for_manytomany(
            db_field, request, queryset=staff, widget=CheckboxSelectMultiple, **kwargs
        )

    def save_model(self, request: HttpRequest, obj: Site, form: ModelForm[Site], change: bool) -> None:
        """By the services, which audit."""
        if change:
            site_update(site=obj, user=caller(request), changed=form.changed_data)
        else:
            site_create(site=obj, user=caller(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The site's staff, from superusers only; by the service, which audits."""
        if caller(request).is_superuser:
            site_staff_set(site=form.instance, staff=form.cleaned_data["staff"], user=caller(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return _is_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        """All staff; the queryset says which sites."""
        return _is_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff of every site."""
        return _is_unlimited(request)

    def has_change_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        """Staff of every site."""
        return _is_unlimited(request)

    def has_delete_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        """Superusers; a site with hypervisors cannot be deleted."""
        return _is_staff(request) and caller(request).is_superuser


@admin.register(Hypervisor)
class HypervisorAdmin(ModelAdmin[Hypervisor]):
    """Hypervisors at the caller's sites: register, enrol, test, shut out, delete."""

    list_display = ("name", "state_shown", "site", "address", "domain_count", "seen_shown", "certificate_shown")
    list_filter = ("state", ("site", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("site",)
    search_fields = ("name", "address", "remarks", "certificate_serial")
    ordering = ("name",)
    actions = None
    change_form_template = "admin/hypervisors/hypervisor/change_form.html"
    _editable = ("name", "site", "address", "remarks")
    _read_only = (
        "state_shown",
        "last_seen_at",
        "clock_offset_seconds",
        "enrolled_at",
        "certificate_serial",
        "certificate_fingerprint",
        "certificate_expires_at",
        "facts_shown",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Hypervisor]:
        """By the caller's sites."""
        return hypervisors_for(caller(request)).select_related("site")

    def get_fieldsets(self, request: HttpRequest, obj: Hypervisor | None = None) -> Any:
        """What a hypervisor is, how it is, and what its host reported."""
        first = (None, {"fields": self._editable})
        if obj is None:
            return (first,)
        return (
            first,
            (gettext_lazy("Connection"), {"fields": self._read_only[:-1]}),
            (gettext_lazy("What the host reported"), {"fields": self._read_only[-1:]}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Hypervisor | None = None) -> tuple[str, ...]:
        """Everything that is not typed by an operator."""
        return self._read_only

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Hosts are registered at sites that the caller manages."""
        if db_field.name == "site":
            kwargs["queryset"] = sites_for(caller(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_shown(self, hypervisor: Hypervisor) -> SafeString:
        """As a badge that the page keeps true, with why where there is something to say."""
        return render_to_string("hypervisors/state.html", {"hypervisor": hypervisor})

    @admin.display(description=gettext_lazy("last seen"), ordering="last_seen_at", empty_value="–")
    def seen_shown(self, hypervisor: Hypervisor) -> SafeString | str | None:
        """How long ago."""
        return ago(hypervisor.last_seen_at) or None

    @admin.display(description=gettext_lazy("certificate ends"), ordering="certificate_expires_at", empty_value="–")
    def certificate_shown(self, hypervisor: Hypervisor) -> SafeString | str | None:
        """In how long."""
        return ago(hypervisor.certificate_expires_at) or None

    @admin.display(description=gettext_lazy("facts"))
    def facts_shown(self, hypervisor: Hypervisor) -> SafeString | str:
        """As tables."""
        if not hypervisor.facts:
            return _("Nothing yet: the host was never seen.")
        return render_to_string("admin/hypervisors/hypervisor/facts.html", {"facts": hypervisor.facts})

    def save_model(self, request: HttpRequest, obj: Hypervisor, form: ModelForm[Hypervisor], change: bool) -> None:
        """By the services, which audit."""
        if not change:
            hypervisor_register(hypervisor=obj, user=caller(request))
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in self._editable}
        present = hypervisors_for(caller(request)).get(pk=obj.pk)
        hypervisor_update(hypervisor=present, user=caller(request), **changes)

    def response_add(self, request: HttpRequest, obj: Hypervisor, post_url_continue: str | None = None) -> HttpResponse:
        """The page that shows the enrolment line, this once."""
        if "_addanother" in request.POST or "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return enrolment_page(request, obj, new_line(request, obj))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """As ModelAdmin; says it in words where a VM came in between."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except HypervisorInUse as error:
            messages.error(request, str(error.detail))
            return HttpResponseRedirect(reverse("admin:hypervisors_hypervisor_change", args=[object_id]))

    def delete_model(self, request: HttpRequest, obj: Hypervisor) -> None:
        """By the service, which shuts the host out."""
        hypervisor_delete(hypervisor=obj, user=caller(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Whoever may delete a hypervisor may delete what Eve only noted of it; virtual machines protect it."""
        deleted, counts, _perms_needed, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    def get_urls(self) -> list[URLPattern]:
        """And the page that shuts a host out."""
        shut_out = path(
            "<uuid:hypervisor_id>/shut-out/",
            self.admin_site.admin_view(self.shut_out_view),
            name="hypervisors_hypervisor_shut_out",
        )
        return [shut_out, *super().get_urls()]

    def shut_out_view(self, request: HttpRequest, hypervisor_id: Any) -> HttpResponseBase:
        """Asks, then revokes the host's certificate."""
        hypervisor = hypervisor_for(caller(request), hypervisor_id)
        if hypervisor is None:
            raise Http404
        back = reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])
        if request.method != "POST":
            context = {**self.admin_site.each_context(request), "hypervisor": hypervisor, "back": back}
            context |= {"opts": self.opts, "title": _("Shut %(name)s out?") % {"name": hypervisor.name}}
            return render(request, "admin/hypervisors/hypervisor/shut_out.html", context)
        try:
            certificate_revoke(
                serial=hypervisor.certificate_serial, reason=request.POST.get("reason", ""), user=caller(request)
            )
        except EveError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("%(name)s is shut out.") % {"name": hypervisor.name})
        return HttpResponseRedirect(back)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return _is_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: Hypervisor | None = None) -> bool:
        """All staff; the queryset says which hypervisors."""
        return _is_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff of every site, who make one in the same form where there is none yet, and of some."""
        return _is_unlimited(request) or (_is_staff(request) and sites_for(caller(request)).exists())

    def has_change_permission(self, request: HttpRequest, obj: Hypervisor | None = None) -> bool:
        """All staff; the queryset says which hypervisors."""
        return _is_staff(request)

    def has_delete_permission(self, request: HttpRequest, obj: Hypervisor | None = None) -> bool:
        """All staff; the queryset says which hypervisors, and virtual machines protect them."""
        return _is_staff(request)


@admin.register(Certificate)
class CertificateAdmin(ModelAdmin[Certificate]):
    """What Eve's CA signed: to be read, and revoked."""

    list_display = ("serial", "subject", "usage", "hypervisor", "not_after", "revoked_at", "revoked_reason")
    list_filter = ("usage", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("hypervisor",)
    search_fields = ("serial", "fingerprint", "subject", "hypervisor__name")
    ordering = ("-created_at",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Certificate]:
        """Of the caller's hypervisors; all for staff of every site."""
        return certificates_for(caller(request)).select_related("hypervisor")

    @admin.action(description=gettext_lazy("Revoke: shut out whoever has the selected certificates"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> HttpResponse | None:
        """Asks first, then puts them on the deny-list."""
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        if "confirmed" not in request.POST:
            context = {**self.admin_site.each_context(request), "certificates": queryset, "opts": self.opts}
            context |= {"title": _("Revoke these certificates?"), "action_name": ACTION_CHECKBOX_NAME}
            return render(request, "admin/hypervisors/certificate/revoke.html", context)
        for certificate in queryset:
            try:
                certificate_revoke(
                    serial=certificate.serial, reason=request.POST.get("reason", ""), user=caller(request)
                )
                messages.success(request, _("The certificate %(serial)s is revoked.") % {"serial": certificate.serial})
            except EveError as error:
                messages.error(
                    request, _("The certificate %(serial)s: %(why)s") % {"serial": certificate.serial, "why": error}
                )
        return None

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """All staff; the queryset says which certificates."""
        return _is_staff(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """All staff."""
        return _is_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: Certificate | None = None) -> bool:
        """All staff; the queryset says which certificates."""
        return _is_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: they are signed."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Certificate | None = None) -> bool:
        """Nobody: they are revoked."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Certificate | None = None) -> bool:
        """Nobody: the deny-list is made of them."""
        return False
