"""The doctor: tests the way from a browser to a VM's screen hop by hop, names the broken one, and says what mends it.

The page (static/eve/doctor) walks it; :mod:`.way_in` judges how its requests arrive, :mod:`.echo` is the far end of the websockets that it tries,
:mod:`.host` goes on to the VM. What may be found, and its words, is in :mod:`.findings`; the proxies' lines come from deploy/ (:mod:`.examples`).
"""
