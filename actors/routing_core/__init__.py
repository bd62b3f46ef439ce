"""The routing core: from a call at a routing point to its target, pure.

Nothing here has a clock, a socket or a database: times and look-ups are arguments, so that a
decision can be repeated, explained and simulated. `core` is where to begin.
"""
