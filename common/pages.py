"""What pages of every app need."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def back_address(request: HttpRequest) -> str:
    """The page to go back to after a form, if its field ``next`` names one of ours; else empty."""
    return _of_ours(request, request.POST.get("next", ""))


def form_address(request: HttpRequest) -> str:
    """The page of ours whose form was sent, as the browser says; empty where no form was."""
    return _of_ours(request, request.headers.get("Referer", "")) if request.method == "POST" else ""


def is_part(request: HttpRequest) -> bool:
    """Whether only the part of a page is asked for that is fetched again when something changed (``?part=1``)."""
    return request.GET.get("part") == "1"


def uuid_of(text: str) -> UUID | None:
    """The id that a query or form names, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _of_ours(request: HttpRequest, address: str) -> str:
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if is_ours else ""
