"""Pages of images: customers' under ``/images/``, staff's under ``/manage/images/``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import staff_required
from accounts.callers import caller
from accounts.models import Project, Role, User
from accounts.selectors import is_unlimited_staff, projects_for
from common.errors import EveError
from common.lists import list_context
from common.pages import is_part
from common.pieces import PIECE_BYTES
from common.sentences import gettext as _
from hypervisors.selectors import sites_for
from vms.forms.storage import ImageAddressForm, ImageChangeForm, ImageForm
from vms.image_cards import ImageCard, image_cards
from vms.image_uses import uses_of
from vms.images import image_for, images_at_sites_of, images_offered_to, sites_known_to
from vms.lists import IMAGES
from vms.models import Image
from vms.services import image_delete, image_fetch, image_update

from .frames import manage_context
from .parts import page_context


@login_required
@never_cache
@require_safe
def images(request: HttpRequest) -> HttpResponse:
    """The images that one may use, and those on their way."""
    user = caller(request)
    context = {**page_context(request, nav="images"), "may_add": _projects(user).exists() or user.is_staff}
    return _list(request, images_offered_to(user), "vms/images/list.html", context)


@staff_required
@never_cache
@require_safe
def managed(request: HttpRequest) -> HttpResponse:
    """All images of the sites that one manages."""
    context = {**manage_context(request, "images"), "may_add": True, "is_managed_list": True}
    return _list(request, images_at_sites_of(caller(request)), "manage/images.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """A new image: from a file of one's own, or from an address."""
    user = caller(request)
    is_upload = request.GET.get("how") != "address"
    form_class = ImageForm if is_upload else ImageAddressForm
    form = form_class(
        request.POST if request.method == "POST" and not is_upload else None,
        projects=_projects(user),
        sites=sites_known_to(user),
        may_be_public=user.is_staff,
    )
    if form.is_bound and form.is_valid():
        try:
            operation = image_fetch(wanted=form.wanted(), url=form.cleaned_data["url"], user=user)
        except EveError as error:
            _take_over(form, error)
        else:
            return redirect("image-detail", image_id=operation.target_id)
    context = {
        **page_context(request, nav="images"),
        "form": form,
        "is_upload": is_upload,
        "piece_bytes": PIECE_BYTES,
        "may_add": _projects(user).exists() or user.is_staff,
    }
    return render(request, "vms/images/new.html", context, status=400 if form.errors else 200)


@login_required
@never_cache
@require_safe
def detail(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """One image; with ``?part=1`` only what changes while it is worked on."""
    card = _card(request, image_id)
    user = caller(request)
    initial = {"name": card.image.name, "remarks": card.image.remarks}
    context = {
        **page_context(request, nav="images"),
        "card": card,
        "image": card.image,
        "copies": card.image.copies.select_related("hypervisor") if sites_for(user).exists() else (),
        "uses": uses_of(card.image, user=user) if card.is_managed else None,
        "form": ImageChangeForm(initial=initial) if card.is_managed else None,
        "piece_bytes": PIECE_BYTES,
    }
    return render(request, "vms/images/state.html" if is_part(request) else "vms/images/detail.html", context)


@login_required
@require_POST
def change(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """Saves name and remarks."""
    image = _card(request, image_id).image
    form = ImageChangeForm(request.POST)
    try:
        if not form.is_valid():
            messages.error(request, _("A name has 1 to 100 characters. Nothing was changed."))
        else:
            image_update(image=image, user=caller(request), **form.cleaned_data)
            messages.success(request, _("Saved."))
    except EveError as error:
        messages.error(request, str(error.detail))
    return redirect("image-detail", image_id=image_id)


@login_required
@require_POST
def delete(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """Deletes it from every host, unless it is in use."""
    image = _card(request, image_id).image
    try:
        image_delete(image=image, user=caller(request))
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect("image-detail", image_id=image_id)
    messages.success(request, _("%(name)s is being deleted.") % {"name": image.name})
    return redirect("manage-images" if image.project_id is None else "images")


def _list(request: HttpRequest, rows: QuerySet[Image], template: str, context: dict[str, Any]) -> HttpResponse:
    context |= list_context(request, rows, IMAGES)
    cards = image_cards(caller(request), context["page_obj"])
    context |= {"cards": cards, "is_moving": any(card.is_moving for card in cards)}
    return render(request, "vms/images/table.html" if is_part(request) else template, context)


def _projects(user: User) -> QuerySet[Project]:
    """Those whose images the user makes."""
    if is_unlimited_staff(user):
        return Project.objects.filter(is_active=True).order_by("name", "id")
    return projects_for(user).filter(memberships__user=user, memberships__role=Role.OWNER).order_by("name", "id")


def _card(request: HttpRequest, image_id: UUID) -> ImageCard:
    image = image_for(caller(request), image_id)
    if image is None:
        raise Http404
    return image_cards(caller(request), [image])[0]


def _take_over(form: ImageForm, error: EveError) -> None:
    """What a service says of fields is said at these fields."""
    fields = error.members.get("errors", {})
    for name, words in fields.items():
        form.add_error(name if name in form.fields else None, words)
    if not fields:
        form.add_error(None, str(error.detail))
