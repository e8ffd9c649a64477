"""What the agent decides, without sockets or HTTP.

====================  =========================================================
:mod:`.rfb`           the filter of what a viewer sends to a display (sans-IO)
:mod:`.liveness`      when to ping a viewer, and when it counts as stalled
:mod:`.consoles`      open console sessions: limits, mode, how each ends
:mod:`.certificates`  checks and makes keys, requests and fingerprints
:mod:`.identity`      the agent's key, certificate and pins on disk
:mod:`.once`          what is done once, however often it is asked for
====================  =========================================================
"""
