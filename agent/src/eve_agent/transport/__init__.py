"""Sockets, TLS, HTTP and websockets ↔ the wire contract and the services.

===================  ==========================================================
:mod:`.server`       the whole of it, started and ended
:mod:`.tls`          who may connect: TLS 1.3, Eve's CA, Eve's pins
:mod:`.http`         routes, problems, versions, one log line a request
:mod:`.handlers`     what each path does
:mod:`.websocket`    websocket frames (sans-IO)
:mod:`.relay`        the pump between a viewer and a display
:mod:`.console`      a console request, from its query to its end
:mod:`.events`       the websocket of events
:mod:`.metrics`      what Prometheus is told
===================  ==========================================================
"""
