"""The guardian of a node: owns its listening sockets, starts its programs, restarts what dies.

Standard library only, so that it keeps running, and can be asked, when the environment of the
programs it guards is broken. It knows programs, sockets and a control protocol; what the programs
do is none of its business.

Modules:
    spec: what an anchor is asked to guard, as typed records.
    lifecycle: the pure core, (spec, state, event, now) -> (state, actions).
    guardian: the asyncio shell around the core.
    process: one program as an operating system process.
    control: the control socket, its limits and its operations' framing.
    client: the other end of the control socket, blocking, for command lines.
    worker: what a guarded asyncio program uses: its sockets and its channel to the anchor.
    messages: JSON lines, refusals and exit codes, shared by all of the above.
    lease: who may guard a directory, and the end of what a killed anchor left behind.
    logs: log files of programs, bounded.
    unixpath: Unix sockets below paths longer than 107 bytes.
    postgres, shim: an embedded PostgreSQL server as a guarded program.
"""
