"""What the doctor may find: what is so, what it means for consoles, what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from django.utils.functional import Promise

from common.sentences import gettext_lazy as _
from common.sentences import isolated


@dataclass(frozen=True, slots=True)
class Finding:
    """One, with ``{places}`` for what was seen."""

    what: str | Promise
    meaning: str | Promise
    remedy: str | Promise
    is_broken: bool = True
    """Whether consoles cannot work so; else it only needs care."""
    lines: tuple[str, ...] = ()
    """How the lines begin, in the examples for proxies and in Eve's settings, that mend it."""

    @property
    def lines_json(self) -> str:
        """:attr:`lines` for a script."""
        return json.dumps(self.lines)

    def filled(self, values: dict[str, str]) -> Finding:
        """The same, with what was seen in its places."""
        return replace(
            self,
            what=_fill(self.what, values),
            meaning=_fill(self.meaning, values),
            remedy=_fill(self.remedy, values),
        )


def _fill(text: str | Promise, values: dict[str, str]) -> str:
    filled = str(text)
    for name, value in values.items():
        filled = filled.replace(f"{{{name}}}", isolated(value))
    return filled


_UPGRADE = ("map ", "proxy_http_version", "proxy_set_header Upgrade", "proxy_set_header Connection", "reverse_proxy")
_TIMEOUTS = ("proxy_read_timeout", "proxy_send_timeout")

FINDINGS: Final[dict[str, Finding]] = {
    # ---------------------------------------------------------------- the page's own requests
    "unreachable": Finding(
        _("Eve did not answer this page."),
        _("Your network, or a proxy in between, does not let requests through just now. The VM is not affected."),
        _("Check your network, then test again."),
    ),
    "answer_not_eves": Finding(
        _("Something else answered in Eve's place, with status {status}."),
        _("A proxy in between answers by itself: Eve is away, or the proxy keeps some addresses for itself."),
        _("Look into the proxy's log. It has to pass everything under this address on to Eve."),
    ),
    "origin_unknown": Finding(
        _("This page is open at {page}, which is not one of Eve's addresses."),
        _("Eve opens consoles for pages of its own addresses only. Here that is {known}."),
        _(
            "Open {known}. Where {page} is right, an administrator sets EVE_PUBLIC_URL={page}, or adds it to EVE_ALLOWED_ORIGINS."
        ),
        lines=("EVE_PUBLIC_URL",),
    ),
    "proto_missing": Finding(
        _("Your browser uses https, but the proxy does not tell Eve so."),
        _("Eve takes each request for plain http: it would send browsers to https again and again."),
        _("The proxy has to set X-Forwarded-Proto."),
        lines=("proxy_set_header X-Forwarded-Proto", "reverse_proxy"),
    ),
    "proto_wrong": Finding(
        _("Your browser uses {page}, but the proxy tells Eve “{seen}”."),
        _("Eve takes each request for something that it is not: it would send browsers to https again and again."),
        _(
            "The proxy has to set X-Forwarded-Proto to how the browser came. Where two proxies follow each other, the second must pass on what the first says."
        ),
        lines=("proxy_set_header X-Forwarded-Proto", "reverse_proxy"),
    ),
    "proxy_untrusted": Finding(
        _("There is a proxy in between ({peer}) that Eve does not trust."),
        _(
            "Eve does not believe what it says of the browser: whether it came by https, and from which address. All people look as if they came from the proxy."
        ),
        _("An administrator adds the proxy's address to EVE_TRUSTED_PROXIES and starts Eve anew."),
        lines=("EVE_TRUSTED_PROXIES",),
    ),
    "client_missing": Finding(
        _("The proxy does not tell Eve from which address you come."),
        _(
            "Consoles work. But in the audit, and for the limit on wrong passwords, all people come from the proxy's address."
        ),
        _("The proxy has to set X-Forwarded-For."),
        is_broken=False,
        lines=("proxy_set_header X-Forwarded-For", "reverse_proxy"),
    ),
    "host_changed": Finding(
        _("You asked for {page}, but the proxy asks Eve for {seen}."),
        _(
            "Eve answers under the names that it knows only, and makes addresses of the name that it is asked for: under another one some of them lead nowhere."
        ),
        _("The proxy has to pass the name on unchanged."),
        is_broken=False,
        lines=("proxy_set_header Host", "reverse_proxy"),
    ),
    "post_refused": Finding(
        _("Eve does not take what this page sends: {detail}"),
        _(
            "Eve takes changes from pages of its own addresses only, with the cookie that it gave them. Buttons and forms do not work so, and no console opens."
        ),
        _(
            "Load this page again. If it stays: the proxy has to pass cookies and the headers Host and Origin on unchanged."
        ),
        lines=("proxy_set_header Host", "EVE_PUBLIC_URL", "reverse_proxy"),
    ),
    # ---------------------------------------------------------------- the websocket
    "upgrade_missing": Finding(
        _("The websocket reached Eve as an ordinary request over HTTP/{version}: {missing}."),
        _("The proxy does not pass websockets on. No console opens, and pages are not live."),
        _("The proxy has to speak HTTP/1.1 to Eve, and pass on Upgrade and Connection."),
        lines=_UPGRADE,
    ),
    "origin_changed": Finding(
        _("The websocket came with the origin “{seen}”, but this page is {page}."),
        _(
            "A proxy, or an extension of your browser, changes the header Origin. Eve opens websockets for its own pages only, so it refuses."
        ),
        _("The proxy has to leave Origin alone."),
        lines=("proxy_set_header Host", "reverse_proxy"),
    ),
    "origin_refused": Finding(
        _("Eve refused the websocket: {page} is not one of its addresses."),
        _("Eve opens consoles for pages of its own addresses only. Here that is {known}."),
        _(
            "Open {known}. Where {page} is right, an administrator sets EVE_PUBLIC_URL={page}, or adds it to EVE_ALLOWED_ORIGINS."
        ),
        lines=("EVE_PUBLIC_URL",),
    ),
    "socket_busy": Finding(
        _("You have this test open too often just now."),
        _("Eve lets one person open only a few websockets for testing."),
        _("Close the other windows with this page, then test again."),
    ),
    "socket_refused": Finding(
        _("The websocket reached Eve, and was refused."),
        _("You were signed out meanwhile, or this test ran out of time."),
        _("Load this page again."),
    ),
    "never_arrived": Finding(
        _("The websocket did not reach Eve."),
        _(
            "Eve answers this page, but something between you and Eve keeps websockets to itself: a proxy, a firewall, or a program on your computer that looks into connections."
        ),
        _(
            "Try another network. If it stays, the proxy before Eve has to pass everything under /ws/ on, as it does with pages."
        ),
        lines=("location", *_UPGRADE),
    ),
    "subprotocol_lost": Finding(
        _("The websocket's subprotocol got lost on the way."),
        _(
            "Something in between writes the handshake anew. Eve's own consoles work without it, other programs may not."
        ),
        _("The proxy has to pass Sec-WebSocket-Protocol on."),
        is_broken=False,
    ),
    "no_first_bytes": Finding(
        _("The websocket opened, but nothing that Eve sent came through."),
        _("Something in between holds back what is sent. A console's screen would stay empty."),
        _("Whatever looks into connections between you and Eve has to let websockets pass as they come."),
        lines=("proxy_buffering", "reverse_proxy"),
    ),
    "held_back": Finding(
        _("Small messages do not come through in time: one was not back after {seconds} s."),
        _("Something in between waits until there is more to send. Each key would be seen late, or never."),
        _("Whatever looks into connections between you and Eve has to let websockets pass as they come."),
        lines=("proxy_buffering", "reverse_proxy"),
    ),
    "bytes_changed": Finding(
        _("What came back is not what was sent."),
        _("Something in between changes what websockets carry. A console's picture would be nonsense, or break off."),
        _("Whatever looks into connections between you and Eve has to let binary websockets pass unchanged."),
    ),
    "broke_off": Finding(
        _("The websocket broke off while it was in use (code {code})."),
        _("A console would do the same."),
        _("Test again. If it stays, look into the log of the proxy before Eve."),
    ),
    "slow_line": Finding(
        _("The way to Eve and back takes {milliseconds} ms."),
        _("Consoles work, but the screen follows your keys late."),
        _("Try another network. In the console, a lower quality helps where the line is narrow."),
        is_broken=False,
    ),
    "cut_short": Finding(
        _("The websocket was cut after {seconds} s without a word, before Eve's next ping."),
        _(
            "A proxy ends connections that are quiet for that long. Eve pings each console every {ping} s, too seldom for that limit: consoles break off whenever nobody types."
        ),
        _("Raise the proxy's limit above 45 s."),
        lines=_TIMEOUTS,
    ),
    "cut_though_pinged": Finding(
        _("The websocket was cut after {seconds} s without a word, although Eve had pinged it (every {ping} s)."),
        _(
            "Something in between ends connections after that time and does not count pings. Consoles break off again and again, and reconnect by themselves."
        ),
        _("Raise that limit to an hour, or let it count pings."),
        lines=_TIMEOUTS,
    ),
    "dead_line": Finding(
        _("After {seconds} s without a word the websocket looked open, but nothing came through any more."),
        _(
            "Something in between has forgotten the connection without telling anybody, as firewalls and mobile networks do."
        ),
        _("Raise the limit on quiet connections there above 45 s."),
        lines=_TIMEOUTS,
    ),
    # ---------------------------------------------------------------- the host and the VM
    "host_away": Finding(
        _("Eve does not get through to {host}. What fails is: “{step}”."),
        _("No console on that host opens just now. The VM may well be running, and its disks are untouched."),
        _(
            "Staff see the reason on the host's page, under “Test connection”. The console opens by itself once the host is back."
        ),
    ),
    "host_busy": Finding(
        _("Somebody else has {host} tested just now."),
        _("One test of a host runs at a time."),
        _("Test again in half a minute."),
        is_broken=False,
    ),
    "vm_off": Finding(
        _("{name} is off."),
        _("A machine that is off has no screen. Its disks are untouched."),
        _("Start it, then open its console."),
    ),
    "vm_crashed": Finding(
        _("{name} has crashed."),
        _("It does not run, so there is no screen. Its disks are untouched."),
        _("Start it, then open its console."),
    ),
    "vm_missing": Finding(
        _("{host} answers, but does not have {name}."),
        _("It was removed there behind Eve's back, or moved elsewhere."),
        _("Tell staff: they see it under “Drift”."),
    ),
    "vm_unknown": Finding(
        _("{host} could not say how {name} is: {detail}"),
        _("Without that, Eve cannot tell whether there is a screen."),
        _("Test again. If it stays, tell staff."),
    ),
    "no_display": Finding(
        _("{name} has no display that Eve can show."),
        _("Eve shows VNC displays. This machine was made without one, or with another kind."),
        _("Use the serial console, if the guest talks there, or have a VNC display added."),
    ),
    # ---------------------------------------------------------------- the screen
    "ticket_refused": Finding(
        _("Eve gives no ticket for the console: {detail}"),
        _("Without one the console does not open."),
        _("Do what it says, then test again."),
    ),
    "screen_refused": Finding(
        _("The console was closed again: {detail}"),
        _("The way up to it is good, so this is what the console page would say too."),
        _("Test again. If it stays, tell staff what is written here."),
    ),
    "screen_silent": Finding(
        _("The console opened, but the display said nothing for {seconds} s."),
        _("The program that runs the VM on its host hangs, or is busy. The guest inside may be as well."),
        _("Look whether the VM's picture changes. If not, reset the VM, or tell staff."),
    ),
    "screen_not_rfb": Finding(
        _("What answers is not a display."),
        _("The console opened, but what came does not begin as a VNC display does."),
        _("Tell staff what is written here."),
    ),
}
