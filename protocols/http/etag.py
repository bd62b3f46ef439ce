"""Strong entity tags as version tokens (RFC 9110, 8.8.3 and 13.1.1).

The tag of a record is its revision number in double quotes, the same in every media type: it
names a version of the record, not the bytes of one representation.
"""

from __future__ import annotations

import re

from protocols.http import problem
from protocols.http.problem import HttpProblem

_STRONG = re.compile(r'"([\x21\x23-\x7e\x80-\xff]*)"')
_REVISION = re.compile(r"0|[1-9][0-9]{0,17}")
_RULE = 'exactly one strong tag, the revision in double quotes: "7"'

FOREIGN = -1
"""What a well-formed tag stands for that this server never gave: no record has this revision."""


def tag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


def if_match(header: str | None) -> int:
    """Read the header `If-Match` of a change that requires it.

    Args:
        header: The header, or None when there is none.

    Returns:
        The revision that the client has seen, or `FOREIGN` for a tag that is not a revision.

    Raises:
        HttpProblem: 428 when there is no header; 400 for `*`, a weak tag, a list, or no tag at
            all: none of them says which version the client has seen.
    """
    if header is None:
        raise HttpProblem(
            problem.PRECONDITION_REQUIRED,
            "a change needs If-Match with the tag of the version that was read",
            field="If-Match",
            rule=_RULE,
        )
    match = _STRONG.fullmatch(header.strip())
    if match is None:
        raise problem.invalid("If-Match", _RULE)
    return int(match[1]) if _REVISION.fullmatch(match[1]) else FOREIGN


def stale(current: int) -> HttpProblem:
    """Make the problem of a change that was based on another revision (412).

    Args:
        current: The revision that the record has now; also in the header `ETag` of the answer.
    """
    return HttpProblem(
        problem.STALE_REVISION,
        f"the current revision is {current}",
        field="If-Match",
        rule="the current revision",
        extra={"rev": current},
        headers={"ETag": tag(current)},
    )
