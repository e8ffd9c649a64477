"""One power action for many VMs: staff choose them in the list, and are told what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.access import staff_required
from accounts.callers import caller
from common.errors import EveError
from common.pages import back_address, uuid_of
from common.sentences import gettext as _
from common.sentences import ngettext
from vms.cards import cards_for
from vms.services import Outcome, vms_change_state

from .frames import manage_context


@staff_required
@never_cache
@require_POST
def vms_power(request: HttpRequest) -> HttpResponse:
    """Queues it for each; sent again, as by a reload, it tells of the same operations."""
    back = back_address(request) or reverse("manage-vms")
    try:
        outcomes = vms_change_state(
            vm_ids=uuids(request.POST.getlist("vm")),
            action=request.POST.get("action", ""),
            user=caller(request),
            key=request.POST.get("key", "")[:100],
        )
    except EveError as error:
        messages.error(request, str(error.detail))
        return redirect(back)
    return outcomes_page(request, outcomes, heading=_("Power of many machines"), back=back)


def outcomes_page(request: HttpRequest, outcomes: Sequence[Outcome], *, heading: str, back: str) -> HttpResponse:
    """What became of each."""
    cards = {card.vm.pk: card for card in cards_for(caller(request), [each.vm for each in outcomes if each.vm])}
    refused = sum(1 for each in outcomes if each.error)
    asked = sum(1 for each in outcomes if each.operation)
    done = len(outcomes) - refused - asked
    words = [ngettext("%d asked for", "%d asked for", asked) % asked] if asked else []
    words += [ngettext("%d done", "%d done", done) % done] if done else []
    words += [ngettext("%d refused", "%d refused", refused) % refused] if refused else []
    context = {
        **manage_context(request, "vms"),
        "heading": heading,
        "counts_words": ", ".join(words),
        "outcomes": [(each, cards.get(each.vm_id)) for each in outcomes],
        "back": back,
    }
    return render(request, "manage/outcomes.html", context)


def uuids(texts: Iterable[str]) -> list[UUID]:
    """Those that are ids; a form of ours sends no others."""
    return [found for text in texts if (found := uuid_of(text)) is not None]
