"""Making a virtual machine: the page, and the quota beside it."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.callers import caller
from accounts.models import Project, User
from common.errors import EveError
from common.pages import uuid_of
from operations.errors import IdempotencyMismatch
from operations.idempotency import operation_once, request_digest
from operations.selectors import operations_for
from vms.forms.creating import NewVmForm
from vms.quotas import Share, shares_of
from vms.services import vm_create
from vms.services.creating import KIND as CREATE

from .parts import page_context

_SECRETS = ("password", "user_data", "network_config")


@sensitive_post_parameters(*_SECRETS)
@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def vm_new(request: HttpRequest) -> HttpResponse:
    """The form; what it makes is then shown on its own page, where one watches it come."""
    user = caller(request)
    form = _form(request, user)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            operation = operation_once(
                user=user,
                key=str(given["key"]),
                digest=request_digest("vms.new", sorted(_told(request).items())),
                make=partial(vm_create, wanted=form.wanted(), project=given["project"], user=user),
            )
        except IdempotencyMismatch as error:
            form.renew()
            form.add_error(None, str(error.detail))
        except EveError as error:
            form.refuse(error)
        else:
            return redirect("vm-detail", vm_id=operation.target_id)
    context = {
        **page_context(request, nav="vms"),
        "form": form,
        "shares": _shares(form),
    }
    return render(request, "vms/new.html", context, status=400 if form.errors else 200)


@login_required
@never_cache
@require_safe
def vm_new_quota(request: HttpRequest) -> HttpResponse:
    """What a project may use and uses, for the page's summary."""
    wanted = uuid_of(request.GET.get("project", ""))
    projects = NewVmForm(user=caller(request)).projects
    project = projects.filter(pk=wanted).first() if wanted else None
    if project is None:
        raise Http404
    return render(request, "vms/parts/new_quota.html", {"project": project, "shares": _shares_of(project)})


def _form(request: HttpRequest, user: User) -> NewVmForm:
    """Filled in as it was for the machine that came to nothing, if ``?again=`` names its operation."""
    again = uuid_of(request.GET.get("again", ""))
    operation = operations_for(user).filter(pk=again, kind=CREATE).first() if again else None
    project = request.GET.get("project", "") if operation is None else str(operation.project_id)
    return NewVmForm(request.POST or None, user=user, wanted_project=project, again=operation)


def _told(request: HttpRequest) -> dict[str, list[str]]:
    return {name: values for name, values in request.POST.lists() if name not in ("csrfmiddlewaretoken", "key")}


def _shares(form: NewVmForm) -> list[Share]:
    chosen = uuid_of(str(form["project"].value() or ""))
    project: Project | None = form.projects.filter(pk=chosen).first() if chosen else None
    return _shares_of(project) if project else []


def _shares_of(project: Project) -> list[Share]:
    """Those that a new machine takes from."""
    return [share for share in shares_of(project) if share.is_of_machines]
