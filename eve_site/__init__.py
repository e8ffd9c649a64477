"""The composition root: settings, URLs, the ASGI application and how it is served."""
