"""Wire formats, servers and clients of the outside world; sans-IO first, unaware of actors."""
