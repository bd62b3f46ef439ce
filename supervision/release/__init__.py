"""Releases: a running node hands all that it is to a new process, of another version.

Modules:

    carrier: what travels, part by part.
"""
