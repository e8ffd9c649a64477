"""How operations are done on hosts, asked for by the modules of :mod:`vms.services` that have the same names.

Each step finds out what an earlier try has done, so that an operation may be begun again by another worker.
"""
