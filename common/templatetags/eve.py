"""Icons, vendored files, states' shapes, and numbers in units that people use."""

from __future__ import annotations

import datetime as dt
import functools
import json
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext_lazy, pgettext_lazy

from common.context import current_context
from common.sentences import gettext_lazy as _

register = template.Library()

KIB = 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")

_STATE_LOOKS = {
    # state: (tone, shape, word)
    "running": ("run", "dot", pgettext_lazy("state", "Running")),
    "paused": ("warn", "player-pause", pgettext_lazy("state", "Paused")),
    "shutting_down": ("busy", "spin", pgettext_lazy("state", "Shutting down")),
    "off": ("", "ring", pgettext_lazy("state", "Off")),
    "crashed": ("bad", "alert-triangle", pgettext_lazy("state", "Crashed")),
    "sleeping": ("warn", "player-pause", pgettext_lazy("state", "Sleeping")),
    "unknown": ("away", "dash", pgettext_lazy("state", "Unknown")),
    "missing": ("bad", "alert-triangle", pgettext_lazy("state", "Missing")),
    "creating": ("busy", "spin", pgettext_lazy("state", "Being made")),
}
_HOST_LOOKS = {
    "new": ("", "ring", pgettext_lazy("state", "Waiting for enrolment")),
    "online": ("run", "dot", pgettext_lazy("state", "Healthy")),
    "offline": ("away", "dash", pgettext_lazy("state", "Away")),
    "libvirt_down": ("warn", "alert-circle", pgettext_lazy("state", "libvirt is down")),
    "rejected": ("bad", "alert-triangle", pgettext_lazy("state", "Not trusted")),
    "revoked": ("bad", "lock", pgettext_lazy("state", "Shut out")),
}
_OPERATION_LOOKS = {
    "queued": ("busy", "spin", pgettext_lazy("state", "Waiting")),
    "running": ("busy", "spin", pgettext_lazy("state", "Running")),
    "succeeded": ("run", "circle-check", pgettext_lazy("state", "Done")),
    "failed": ("bad", "alert-triangle", pgettext_lazy("state", "Failed")),
    "cancelling": ("busy", "spin", pgettext_lazy("state", "Being cancelled")),
    "cancelled": ("", "circle-x", pgettext_lazy("state", "Cancelled")),
}
_IMAGE_LOOKS = {
    "coming": ("busy", "spin", pgettext_lazy("state", "On its way")),
    "waiting": ("warn", "alert-circle", pgettext_lazy("state", "Waits for its file")),
    "ready": ("run", "circle-check", pgettext_lazy("state", "Ready")),
    "failed": ("bad", "alert-triangle", pgettext_lazy("state", "Failed")),
    "removing": ("busy", "spin", pgettext_lazy("state", "Being deleted")),
}
_SHAPES = frozenset({"dot", "ring", "dash", "spin"})


@functools.cache
def _vendored() -> dict[str, str]:
    manifest = settings.BASE_DIR / "static" / "vendor" / "manifest.json"
    return dict(json.loads(manifest.read_text()))


@register.simple_tag
def vendor(package: str, path: str) -> str:
    """The address of `path` in a vendored npm package, such as ``{% vendor "novnc" "core/rfb.js" %}``."""
    return static(f"{_vendored()[package]}/{path}")


@register.simple_tag
@functools.lru_cache(maxsize=512)
def icon(name: str, size: int = 18) -> SafeString:
    """An icon of the sprite (names: static/eve/icons.txt), hidden from screen readers: words stand beside it.

    Sizes: 18; 16 in small buttons; 14 in badges; 24 and 40 on their own. Made once each: a list has hundreds.
    """
    return format_html(
        '<svg class="ic" width="{0}" height="{0}" aria-hidden="true" focusable="false"><use href="{1}#{2}"></use></svg>',
        size,
        vendor("icons", "icons.svg"),
        name,
    )


@register.simple_tag
def csrf_cookie_name() -> str:
    """The name of the cookie from which scripts take the CSRF token."""
    return settings.CSRF_COOKIE_NAME


@register.simple_tag
def public_url() -> str:
    """The address that people use."""
    return str(settings.PUBLIC_URL)


@register.simple_tag
def made_at() -> str:
    """When this page's making began, in seconds since 1970."""
    return f"{current_context().began_at:.3f}"


@register.simple_tag
def allowed_origins() -> str:
    """The origins whose pages may open websockets, with spaces between."""
    return " ".join(settings.ALLOWED_ORIGINS)


def _badge(tone: str, shape: str, word: Any, size: str) -> SafeString:
    return _badge_written(tone, shape, str(word), size)


@functools.lru_cache(maxsize=512)
def _badge_written(tone: str, shape: str, word: str, size: str) -> SafeString:
    mark = (
        format_html('<i class="{}"></i>', {"dot": "dot", "spin": "spin"}.get(shape, f"dot {shape}"))
        if shape in _SHAPES
        else icon(shape, 14)
    )
    return format_html('<span class="st {} {}">{}{}</span>', tone, size, mark, word)


@register.simple_tag
def state_badge(state: str, size: str = "", doing: str = "") -> SafeString:
    """A VM's state as shape, word and colour; `size` is ``""``, ``"lg"`` or ``"bare"``.

    `doing` replaces it while Eve works on the VM: the word, such as “Starting”.
    """
    if doing:
        return _badge("busy", "spin", doing, size)
    return _badge(*_STATE_LOOKS.get(state, _STATE_LOOKS["unknown"]), size)


@register.simple_tag
def power_buttons(state: str, *, split: bool = False, size: str = "") -> SafeString:
    """What is in the form of components/power_menu.html for a VM in `state`."""
    return _power_buttons(state, bool(split), size, get_language())


@functools.lru_cache(maxsize=256)
def _power_buttons(state: str, split: bool, size: str, language: str | None) -> SafeString:
    """Written once each in the active `language`: a list has the same ones in many rows."""
    return render_to_string("components/power_buttons.html", {"state": state, "split": split, "size": size})


@register.simple_tag
def host_state_badge(state: str, size: str = "") -> SafeString:
    """A hypervisor's state, as :func:`state_badge`."""
    return _badge(*_HOST_LOOKS.get(state, _HOST_LOOKS["offline"]), size)


@register.simple_tag
def operation_badge(state: str, size: str = "") -> SafeString:
    """An operation's state, as :func:`state_badge`."""
    return _badge(*_OPERATION_LOOKS.get(state, _OPERATION_LOOKS["queued"]), size)


@register.simple_tag
def image_badge(state: str, size: str = "") -> SafeString:
    """An image's state, as :func:`state_badge`; ``waiting`` is one whose upload is not whole."""
    return _badge(*_IMAGE_LOOKS.get(state, _IMAGE_LOOKS["coming"]), size)


@register.filter
def state_word(state: str) -> str:
    """A VM's state as a word, such as “Running”."""
    return str(_STATE_LOOKS.get(state, _STATE_LOOKS["unknown"])[2])


@register.filter
def state_tone(state: str) -> str:
    """A VM's state as a tone: ``run``, ``warn``, ``bad``, ``away``, ``busy``, or empty for off."""
    return _STATE_LOOKS.get(state, _STATE_LOOKS["unknown"])[0]


@register.filter
def grouped(count: float | None) -> str:
    """A number as people read it: “1,204” or “1,204.5”, in the active language; nothing for none."""
    if count is None:
        return ""
    digits = 1 if isinstance(count, float) and not count.is_integer() else 0
    return formats.number_format(count, digits, force_grouping=True)


@register.filter(name="bytes")
def bytes_in_units(count: object) -> str:
    """Bytes in the binary unit that reads best: ``2147483648|bytes`` is “2 GiB”; nothing for what is no number."""
    try:
        size = float(count)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    if abs(size) < KIB:
        return f"{grouped(int(size))} B"
    power = 0
    while power < len(_UNITS) and abs(size) >= KIB - 0.05:
        size /= KIB
        power += 1
    digits = 0 if abs(size) >= 100 or abs(size - round(size)) < 0.05 else 1
    return f"{grouped(round(size, digits))} {_UNITS[power - 1]}"


_AGES = (
    # from this many seconds on, in steps of so many: words
    (86400 * 365, 86400 * 365, ngettext_lazy("%d year ago", "%d years ago")),
    (86400 * 30, 86400 * 30, ngettext_lazy("%d month ago", "%d months ago")),
    (86400, 86400, ngettext_lazy("%d day ago", "%d days ago")),
    (3600, 3600, ngettext_lazy("%d hour ago", "%d hours ago")),
    (60, 60, ngettext_lazy("%d minute ago", "%d minutes ago")),
)
_SPANS = (
    (86400 * 365, 86400 * 365, ngettext_lazy("in %d year", "in %d years")),
    (86400 * 30, 86400 * 30, ngettext_lazy("in %d month", "in %d months")),
    (86400, 86400, ngettext_lazy("in %d day", "in %d days")),
    (3600, 3600, ngettext_lazy("in %d hour", "in %d hours")),
    (60, 60, ngettext_lazy("in %d minute", "in %d minutes")),
)


def _age_words(seconds: float) -> str:
    words = _AGES if seconds >= 0 else _SPANS
    for least, step, form in words:
        if abs(seconds) >= least:
            count = int(abs(seconds) // step)
            return str(form % count)
    return str(_("just now") if seconds >= 0 else _("in a moment"))


@register.filter
def ago(moment: dt.datetime | None) -> SafeString | str:
    """How long ago (or in how long) as a ``<time>`` with the exact time on hover; the page keeps it true."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.astimezone(dt.UTC).isoformat(timespec="seconds"),
        exactly(moment),
        _age_words((timezone.now() - moment).total_seconds()),
    )


_LENGTHS = (
    (86400, ngettext_lazy("%d day", "%d days")),
    (3600, ngettext_lazy("%d hour", "%d hours")),
    (60, ngettext_lazy("%d minute", "%d minutes")),
    (1, ngettext_lazy("%d second", "%d seconds")),
)


@register.filter
def lasting(seconds: float) -> str:
    """How long that is, in its two largest units: “2 days 3 hours”."""
    rest, words = max(int(seconds), 1), []
    for length, form in _LENGTHS:
        count, rest = divmod(rest, length)
        if count:
            words.append(str(form % count))
        if words and (not count or len(words) == 2):
            break
    return " ".join(words)


@register.filter
def exactly(moment: dt.datetime) -> str:
    """When, with its time zone, for attributes: “27 Nov 2026, 04:12 UTC”."""
    local = timezone.localtime(moment)
    minute = local.replace(second=0, microsecond=0, tzinfo=None)
    return f"{_minute_words(minute, get_language())} {local.tzname()}"


@functools.lru_cache(maxsize=4096)
def _minute_words(minute: dt.datetime, language: str | None) -> str:
    """Written once each in the active `language`: lists have many, and are looked at again and again."""
    return formats.date_format(minute, str(_("j M Y, H:i")))


@register.filter
def moment(moment: dt.datetime) -> SafeString:
    """When, as a ``<time>``: in Eve's time zone, which it names; the page makes it the reader's."""
    when = moment.astimezone(dt.UTC).isoformat(timespec="seconds")
    return format_html('<time datetime="{}" data-moment>{}</time>', when, exactly(moment))


@register.filter
def initials(name: str) -> str:
    """At most two letters for an avatar: “Jonas Keller” is JK."""
    words = [word for word in str(name).replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


@register.inclusion_tag("components/confirm_button.html")
def confirm_button(
    *,
    url: str,
    label: str,
    title: str,
    text: str,
    verb: str,
    keep: str = "",
    name: str = "",
    description: str = "",
    icon_name: str = "",
    tone: str = "danger-o",
    field: str = "",
    value: object = "",
    form_class: str = "",
) -> dict[str, object]:
    """A button with the form that it sends, which asks before it acts (components/overlays.html).

    Args:
        url: what the form is posted to.
        label: what is on the button.
        title: the question, with `text`, and the buttons `verb` and `keep` below it.
        name: what screen readers call the button, where `label` does not say it.
        description: what they say of it besides.
        tone: its look; ``plain`` for what does no harm.
        field: a hidden field of the form, with its `value`.
    """
    return {
        "url": url,
        "label": label,
        "title": title,
        "text": text,
        "verb": verb,
        "keep": keep,
        "name": name,
        "description": description,
        "icon_name": icon_name,
        "tone": "" if tone == "plain" else tone,
        "field": field,
        "value": value,
        "form_class": form_class,
    }
