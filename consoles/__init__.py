"""Console tickets, live sessions, the relay and its consumer, console pages.

The way of a console, in the order of the code: :mod:`.services` makes a ticket; :mod:`.consumers` takes the websocket,
:mod:`.credentials` reads who it is; :mod:`.link` opens the display at the agent; :mod:`.live` moves the bytes until
something ends it, which :mod:`.revocation` or its own re-check may say.
"""
