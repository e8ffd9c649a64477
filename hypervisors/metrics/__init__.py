"""Metrics of hosts and virtual machines: counters of agents become rates, rates become rows, rows become graphs.

``recorder`` (no database) -> ``store`` (writes) -> ``reading`` (what graphs and Prometheus read); ``sampling`` drives them.
"""
