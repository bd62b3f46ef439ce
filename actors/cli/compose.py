"""How the programs of this release are started: prints the specification that an anchor guards.

    python -P -m actors.cli.compose --data DIR [--config FILE] [--expect HASH]

So each release says itself what it consists of, in whatever version the anchor is that asks.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actors import descriptors
from actors.cli import installation
from actors.cli.composition import anchor_spec
from actors.config import ConfigInvalid, load
from supervision.anchor.binaries import BinariesMissing
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.anchor.spec import AnchorSpec


def specification(data: Path, file: Path | None) -> AnchorSpec:
    """Say what a node of this release consists of.

    Args:
        data: the data directory, absolute.
        file: the configuration, absolute; None is the one that ships.

    Raises:
        ConfigInvalid: the configuration has mistakes.
        Refusal: there is no PostgreSQL to embed, or the system allows too few descriptors.
    """
    config = load(file, os.environ)
    try:
        descriptors.check(config, descriptors.hard_limit())
        return anchor_spec(config, data, file, os.environ)
    except descriptors.TooFewDescriptors as few:
        raise Refusal(ExitCode.USAGE, str(few)) from None
    except BinariesMissing as missing:
        raise Refusal(ExitCode.USAGE, f"{missing}, or configure database.dsn") from None


def _expect(contents: str | None) -> None:
    found = installation.running()
    if contents is not None and found.contents() != contents:
        raise Refusal(ExitCode.USAGE, f"{found.home} has changed since it was recorded")


def main(words: Sequence[str] | None = None) -> int:
    """Print the specification as JSON; return the exit code."""
    parser = argparse.ArgumentParser(prog=installation.COMPOSE, description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--expect", metavar="HASH", help="what this installation has to be")
    given = parser.parse_args(words)
    try:
        _expect(given.expect)
        file = given.config and given.config.absolute()
        print(specification(given.data.absolute(), file).to_json())
    except ConfigInvalid as invalid:
        print(*invalid.mistakes, sep="\n", file=sys.stderr)
        return ExitCode.USAGE
    except Refusal as refusal:
        print(refusal.msg, file=sys.stderr)
        return refusal.code
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
