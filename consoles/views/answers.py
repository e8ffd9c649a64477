"""What both kinds of viewers are answered, members and visitors."""

from __future__ import annotations

from django.http import JsonResponse

from vms.endings import Ending
from vms.models import Vm, VmState


def off_response(vm: Vm, ending: Ending) -> JsonResponse:
    """How the VM went off: a sentence with ``{ago}`` in it, and when; empty unless it is off."""
    if vm.state != VmState.OFF:
        return JsonResponse({"words": ""})
    return JsonResponse({"words": ending.words, "since": vm.state_since})
