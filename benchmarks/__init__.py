"""Benchmarks: a generated catalog, and what it costs to take it in, to read it and to follow it.

Each prints figures; none of them judges. `README.md` says how to run and how to read them.
"""
