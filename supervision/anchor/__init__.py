"""The guardian of a node: owns its listening sockets, starts its programs, restarts what dies.

Standard library only, so that it keeps running, and can be asked, when the environment of the
programs it guards is broken. It knows programs, sockets and a control protocol; what the programs
do is none of its business.

Modules, from the pure to the effects:

    spec: what an anchor is asked to guard, as typed records.
    states: the records of the core: its state, its events, its actions.
    lifecycle: the core, (spec, state, event, now) -> (state, actions).
    report: what an anchor says about itself.
    messages: JSON lines, refusals and exit codes, shared by all ends.

    guardian: the shell around the core: processes, timers, signals.
    process: one program as an operating system process.
    channel: the anchor's end of the channel to a program.
    control: the control socket and its limits.
    operations: what clients of the control socket may ask.
    boot: from a specification to a running anchor.
    lease: who may guard a directory, and the end of what a killed anchor left behind.
    logs: log files of programs, bounded.
    unixpath: Unix sockets below paths longer than 107 bytes.
    peer: who is at the other end of a Unix socket.

    client: the other end of the control socket, blocking, for command lines.
    inheritance, worker: what a guarded program uses: its sockets, its channel to the anchor.
    postgres, binaries, shim, leftovers: an embedded PostgreSQL server as a guarded program.
    testing: real anchors for tests.
"""
