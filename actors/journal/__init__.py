"""The journal: what the node must not forget, in SQLite, committed in groups by a thread.

``journal`` is what actors use, ``thread`` what commits for it; ``batch`` decides what a commit is
made of; ``schema`` and ``file`` say how it lies on the disk; ``recovery`` reads it back, for a
starting node as for the commands that check it offline.
"""
