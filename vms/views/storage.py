"""Staff's pages of pools, sizes and quotas."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from eve_agent.wire.storage import Volume, VolumeKind

from accounts.access import staff_required
from accounts.callers import caller
from accounts.models import Project
from accounts.selectors import is_unlimited_staff, projects_visible_to
from common.errors import EveError
from common.lists import list_context
from common.sentences import gettext as _
from vms.forms.storage import ImageTakeForm, QuotaForm, SizeForm
from vms.lists import POOLS, QUOTAS, SIZES
from vms.models import Quota, Size
from vms.quotas import shares_of, shares_of_each
from vms.services import image_take, quota_set, size_create, size_delete, size_update
from vms.storage import PoolOfHost, pool_for, pools_for, volumes_in

from .frames import manage_context

PAGE = 25


@staff_required
@never_cache
@require_safe
def pools(request: HttpRequest) -> HttpResponse:
    """The pools of one's hosts, and how full they are."""
    context = {**manage_context(request, "pools"), **list_context(request, pools_for(caller(request)), POOLS)}
    return render(request, "manage/pools.html", context)


@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pool_detail(request: HttpRequest, hypervisor_id: UUID, pool: str) -> HttpResponse:
    """What is in a pool; a file of it can be made an image."""
    found = pool_for(caller(request), hypervisor_id, pool)
    if found is None:
        raise Http404
    form = _take_form(request, found)
    chosen = (request.POST if request.method == "POST" else request.GET).get("file", "")[:255]
    if form.is_bound and form.is_valid():
        try:
            operation = image_take(
                wanted=form.wanted(), hypervisor=found.hypervisor, pool=found.name, volume=chosen, user=caller(request)
            )
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            return redirect("image-detail", image_id=operation.target_id)
    volumes: tuple[Volume, ...] = ()
    problem = ""
    try:
        volumes = volumes_in(found)
    except EveError as error:
        problem = str(error)
    page = Paginator(volumes, PAGE * 4).get_page(request.GET.get("page"))
    context = {
        **manage_context(request, "pools"),
        "pool": found,
        "page_obj": page,
        "problem": problem,
        "other": VolumeKind.OTHER.value,
        "chosen": next((volume for volume in volumes if volume.name == chosen), None),
        "form": form,
    }
    return render(request, "manage/pool.html", context, status=400 if form.errors else 200)


@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sizes(request: HttpRequest) -> HttpResponse:
    """What customers choose from; the staff of every site change it."""
    form = SizeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            size = size_create(user=caller(request), **form.values())
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            messages.success(request, _("%(name)s is offered now.") % {"name": size.name})
            return redirect("manage-sizes")
    context = {**manage_context(request, "sizes"), **list_context(request, Size.objects.all(), SIZES), "form": form}
    return render(request, "manage/sizes.html", context, status=400 if form.errors else 200)


@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def size(request: HttpRequest, size_id: UUID) -> HttpResponse:
    """Changes a size for machines that are made from now on."""
    row = _size(request, size_id)
    form = SizeForm(request.POST or None, initial=SizeForm.initial_of(row))
    if request.method == "POST" and form.is_valid():
        try:
            size_update(size=row, user=caller(request), **form.values())
        except EveError as error:
            form.add_error(None, str(error.detail))
        else:
            messages.success(request, _("Saved. Machines that are there stay as they are."))
            return redirect("manage-sizes")
    context = {**manage_context(request, "sizes"), "size": row, "form": form}
    return render(request, "manage/size.html", context, status=400 if form.errors else 200)


@staff_required
@require_POST
def size_offer(request: HttpRequest, size_id: UUID) -> HttpResponse:
    """Offers it, or does so no more."""
    row = _size(request, size_id)
    size_update(size=row, user=caller(request), is_offered=not row.is_offered)
    return redirect("manage-sizes")


@staff_required
@require_POST
def size_end(request: HttpRequest, size_id: UUID) -> HttpResponse:
    """Takes it away."""
    size_delete(size=_size(request, size_id), user=caller(request))
    messages.success(request, _("The size is gone. Machines that were made by it stay as they are."))
    return redirect("manage-sizes")


@staff_required
@never_cache
@require_safe
def quotas(request: HttpRequest) -> HttpResponse:
    """What projects may use and use."""
    _require_unlimited(request)
    projects = projects_visible_to(caller(request)).filter(is_active=True)
    listed = list_context(request, projects, QUOTAS, page_size=PAGE)
    shares = shares_of_each(listed["page_obj"])
    context = {
        **manage_context(request, "quotas"),
        **listed,
        "rows": [(project, shares[project.pk]) for project in listed["page_obj"]],
    }
    return render(request, "manage/quotas.html", context)


@staff_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def quota(request: HttpRequest, project_id: UUID) -> HttpResponse:
    """Sets the limits of one project."""
    _require_unlimited(request)
    project = get_object_or_404(Project, pk=project_id)
    initial = QuotaForm.initial_of(Quota.objects.filter(project=project).first())
    form = QuotaForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        quota_set(project=project, user=caller(request), limits=form.limits())
        messages.success(request, _("The limits of %(name)s are set.") % {"name": project.name})
        return redirect("manage-quotas")
    context = {**manage_context(request, "quotas"), "project": project, "form": form, "shares": shares_of(project)}
    return render(request, "manage/quota.html", context, status=400 if form.errors else 200)


def _take_form(request: HttpRequest, found: PoolOfHost) -> ImageTakeForm:
    return ImageTakeForm(
        request.POST if request.method == "POST" else None,
        projects=projects_visible_to(caller(request)).filter(is_active=True).order_by("name", "id"),
        may_be_public=True,
    )


def _require_unlimited(request: HttpRequest) -> None:
    if not is_unlimited_staff(caller(request)):
        raise Http404


def _size(request: HttpRequest, size_id: UUID) -> Size:
    _require_unlimited(request)
    return get_object_or_404(Size, pk=size_id)
