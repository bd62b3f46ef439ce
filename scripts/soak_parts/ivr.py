"""IVR applications over HTTP that live through chaos as a careful client does.

A POST is sent again with its `Idempotency-Key` until it is answered; a PATCH is sent again with its
`If-Match`: 412 after a broken connection may mean that the first one was applied, and a GET tells.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from soak_parts.ivr_ledger import Contradiction, IvrBook, IvrSession, contradictions

TRY_S = 5.0
"""How long an application waits for one answer before it takes the connection for dead."""

GIVE_UP_S = 90.0
LONGEST_PAUSE_S = 1.0
UNAVAILABLE = 503
AGAIN = frozenset({409, 429, 502, UNAVAILABLE})
PRECONDITION_FAILED = 412
GONE = 410
REFUSED = 400
THINK_S = 0.25
LEFT_OPEN = 0.05
"""Share of sessions that their application leaves open, to be compared as such."""


class Unanswered(Exception):  # noqa: N818 - what happened
    """No answer came for longer than an application waits."""


@dataclass(frozen=True)
class Said:
    """An answer for good.

    Attributes:
        tries: how often it was asked for in vain before: connections that broke, and answers 503,
            which do not say that nothing was done.
    """

    status: int
    body: Any
    tries: int


class Caller:
    """Sends requests until they are answered.

    Args:
        http: the connections.
        base: of all URLs, without a slash at the end.
        book: what came over the requests.
        direct: whether nothing but vigie itself breaks connections.
    """

    def __init__(
        self, http: aiohttp.ClientSession, base: str, book: IvrBook, *, direct: bool
    ) -> None:
        self._http = http
        self._base = base
        self._book = book
        self._direct = direct

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Said:
        """Send a request, again after no answer or where the answer says so.

        Raises:
            Unanswered: no answer for longer than an application waits.
        """
        loop = asyncio.get_running_loop()
        first, tries, in_a_row = loop.time(), 0, 0
        while loop.time() - first < GIVE_UP_S:
            try:
                status, said, pause = await self._try(method, path, body, headers)
            except (aiohttp.ClientError, TimeoutError, OSError):
                tries, in_a_row = tries + 1, in_a_row + 1
                self._note_broken(in_a_row)
                await asyncio.sleep(0.02 * min(in_a_row, 10))
                continue
            if status not in AGAIN:
                self._book.longest_s = max(self._book.longest_s, loop.time() - first)
                return Said(status, said, tries)
            in_a_row = 0
            tries += status == UNAVAILABLE
            self._book.waited += 1
            await asyncio.sleep(pause)
        self._book.given_up.append(f"{method} {path}")
        raise Unanswered(f"{method} {path}")

    def _note_broken(self, in_a_row: int) -> None:
        self._book.broken += 1
        self._book.repeated += 1
        if self._direct:
            self._book.broken_in_a_row = max(self._book.broken_in_a_row, in_a_row)

    async def _try(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None
    ) -> tuple[int, Any, float]:
        url = f"{self._base}/api/v1/{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            said = await answer.json(content_type=None)
            pause = min(float(answer.headers.get("Retry-After", 0.1)), LONGEST_PAUSE_S)
            return answer.status, said, pause


class Worker:
    """One application: opens a session, works on it, closes it, and begins again.

    Args:
        name: begins the ids of its calls.
        caller: sends its requests.
        book: what it knows.
        rng: where chance comes from.
    """

    def __init__(self, name: str, caller: Caller, book: IvrBook, rng: Random) -> None:
        self._name = name
        self._caller = caller
        self._book = book
        self._rng = rng
        self._keys = itertools.count(1)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; the session at hand is brought to its end."""
        for number in itertools.count(1):
            if stop.is_set():
                return
            session = IvrSession(call=f"{self._name}-{number}")
            self._book.sessions.append(session)
            try:
                await self._live(session, stop)
            except Unanswered:
                session.doubtful = True

    async def _live(self, session: IvrSession, stop: asyncio.Event) -> None:
        await self._open(session)
        acts = (self._patch, self._step, self._read, self._route)
        for _ in range(self._rng.randrange(3, 15)):
            if stop.is_set():
                break
            await asyncio.sleep(self._rng.expovariate(1 / THINK_S))
            [act] = self._rng.choices(acts, (4, 5, 3, 1))
            await act(session)
        if self._rng.random() > LEFT_OPEN:
            await self._close(session)

    async def _open(self, session: IvrSession) -> None:
        ud = {"lot": str(self._rng.randrange(10**6))}
        body = {"call": session.call, "ani": "+33142345678", "app": "welcome", "ud": ud}
        said = await self._post(session, "sessions", body)
        if said is not None:
            session.session, session.rev, session.ud = said["session"], said["rev"], ud
            self._check(session, said)

    async def _patch(self, session: IvrSession) -> None:
        key, value = f"k{self._rng.randrange(5)}", str(self._rng.randrange(10**9))
        body = {"set": {f"ud.{key}": value}}
        path, headers = f"sessions/{session.session}", {"If-Match": f'"{session.rev}"'}
        said = await self._caller.ask("PATCH", path, body, headers)
        if said.status == PRECONDITION_FAILED and said.tries:
            # An earlier one may have been applied though no answer said so.
            said = await self._caller.ask("GET", path)
        session.rev, session.ud = session.rev + 1, session.ud | {key: value}
        if self._fine(session, "PATCH", said):
            self._check(session, said.body)

    async def _step(self, session: IvrSession) -> None:
        step = f"step-{len(session.steps) + 1}"
        body = {"ev": "entered", "step": step, "data": {"by": self._name}}
        said = await self._post(session, f"sessions/{session.session}/events", body)
        session.steps.append(step)
        if said is not None and said["steps"] != len(session.steps):
            self._wrong(session, "steps", len(session.steps), said["steps"])

    async def _read(self, session: IvrSession) -> None:
        said = await self._caller.ask("GET", f"sessions/{session.session}")
        if self._fine(session, "GET", said):
            self._check(session, said.body)

    async def _route(self, session: IvrSession) -> None:
        rp = self._rng.choice(("sales", "support", "billing"))
        said = await self._post(session, f"sessions/{session.session}/route", {"rp": rp})
        if said is not None:
            session.target = said["target"]

    async def _close(self, session: IvrSession) -> None:
        path = f"sessions/{session.session}/close"
        said = await self._caller.ask("POST", path, {}, self._key())
        session.closed = True
        # Where it was closed by a try that broke, its time to linger may be over by now.
        if not (said.status == GONE and said.tries) and self._fine(session, "close", said):
            self._check(session, said.body)

    async def _post(self, session: IvrSession, path: str, body: object) -> Any:
        said = await self._caller.ask("POST", path, body, self._key())
        return said.body if self._fine(session, path.rpartition("/")[2], said) else None

    def _key(self) -> dict[str, str]:
        return {"Idempotency-Key": f'"{self._name}-{next(self._keys)}"'}

    def _fine(self, session: IvrSession, kind: str, said: Said) -> bool:
        self._book.answered[kind] += 1
        if said.status >= REFUSED:
            self._wrong(session, f"{kind} status", "2xx", f"{said.status} {said.body}")
        return said.status < REFUSED

    def _check(self, session: IvrSession, view: Mapping[str, Any]) -> None:
        self._book.wrong += contradictions(session, view)

    def _wrong(self, session: IvrSession, what: str, answered: object, known: object) -> None:
        self._book.wrong.append(Contradiction(session.call, what, answered, known))


def connections(token: str) -> aiohttp.ClientSession:
    """Make connections that present a token and take silence for a broken connection."""
    timeout = aiohttp.ClientTimeout(total=TRY_S)
    headers = {"Authorization": f"Bearer {token}"}
    return aiohttp.ClientSession(headers=headers, timeout=timeout)
