"""The ASGI application: HTTP to Django, websockets to the consumers, and what one process of Eve runs beside them."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eve_site.settings")
_http = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (the apps are loaded first)
from channels.sessions import CookieMiddleware  # noqa: E402
from django.conf import settings  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from common.arrival import RememberConnection  # noqa: E402
from common.sentences import gettext as _  # noqa: E402
from consoles.routing import websocket_urlpatterns as console_websockets  # noqa: E402
from vms.routing import websocket_urlpatterns as vm_websockets  # noqa: E402

from .bodies import BoundedBodies  # noqa: E402
from .checks import mistakes  # noqa: E402
from .lifespan import Lifespan  # noqa: E402
from .websockets import RejectUnrouted  # noqa: E402

if _mistakes := mistakes():
    raise SystemExit("\n".join([_("Eve does not serve with mistakes in its settings:"), *_mistakes]))

_router = URLRouter([*console_websockets, *vm_websockets])  # type: ignore[list-item] # routes of ASGI applications

application = Lifespan(
    RememberConnection(
        ProxyHeadersMiddleware(
            ProtocolTypeRouter(  # type: ignore[arg-type] # the two packages spell ASGI's types differently
                {
                    "http": BoundedBodies(_http),
                    "websocket": CookieMiddleware(RejectUnrouted(_router)),
                }
            ),
            trusted_hosts=settings.TRUSTED_PROXIES,
        )
    )
)
