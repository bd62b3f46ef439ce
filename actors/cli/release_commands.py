"""The commands below `vigie release`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from actors.cli.arguments import Commands, argument, duration, verb, whole

_VSN = argument("vsn", metavar="VSN", help="the release, as release list names it")
_FORCE = argument(
    "--force", action="store_true", help="though what is new would be lost on the way back"
)
_CONFIG = argument(
    "--config", type=Path, metavar="FILE", help="the node's configuration (the one that runs)"
)


def _build(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    verb(
        "release_files:build",
        argument(
            "--from", dest="checkout", type=Path, metavar="CHECKOUT", help="build of these sources"
        ),
        argument("--wheel", type=Path, metavar="FILE", help="or of this wheel of vigie"),
        argument("--python", metavar="PY", help="the interpreter to build for (the one that runs)"),
        argument("--wheels", type=Path, metavar="DIR", help="keep wheels and their locks there"),
        argument(
            "--lock",
            type=Path,
            metavar="FILE",
            help="take these wheels: a requirements file with hashes",
        ),
        argument("--sign", type=Path, metavar="KEY", help="sign with this ed25519 key (PEM)"),
    )(parser, words)
    output = "the archive"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=output)


RELEASE: Commands = {
    "build": ("Make an archive of a checkout or a wheel.", _build),
    "install": (
        "Install an archive beside the release that runs.",
        verb(
            "release_files:install",
            argument("file", type=Path, metavar="FILE", help="the archive"),
            argument("--python", metavar="PY", help="the interpreter that it runs on"),
            _CONFIG,
        ),
    ),
    "list": ("List the installed releases and what each is.", verb("release_files:list_releases")),
    "check": (
        "Say what an upgrade to a release would do, and try it on copies of the live states.",
        verb("release:check", _VSN, _FORCE),
    ),
    "upgrade": (
        "Hand everything over to a release, on probation, under live calls.",
        verb(
            "release:upgrade",
            _VSN,
            _FORCE,
            argument(
                "--shadow",
                action="store_true",
                help="only look on: run it beside on a copy of the traffic, and report",
            ),
            argument(
                "--seconds",
                type=duration,
                metavar="S",
                help="of the probation, or that a shadow looks on (release.probation_s)",
            ),
        ),
    ),
    "commit": (
        "Make the release on probation permanent now.",
        verb("release:commit"),
    ),
    "rollback": (
        "Hand everything back: to the permanent release, or from it to the one before.",
        verb("release:rollback", _FORCE),
    ),
    "status": ("Say what runs, and what is under way.", verb("release:status")),
    "history": (
        "List what was done with releases: who, when, how long.",
        verb(
            "release:history",
            argument("--limit", type=whole(1), default=50, metavar="N", help="how many lines (50)"),
        ),
    ),
    "adopt": (
        "Make this installation the permanent release, with no node running.",
        verb("release_files:adopt"),
    ),
    "coverage": (
        "Fail where a state changed its shape without conversions both ways.",
        verb(
            "release_files:coverage",
            argument("--record", action="store_true", help="record new versions; for developers"),
        ),
    ),
    "remove": (
        "Take an unpacked or old release from the disk.",
        verb("release_files:remove", _VSN),
    ),
    "key": (
        "Show the public key of a signing key, which is made where it is not there.",
        verb(
            "release_files:key", argument("file", type=Path, metavar="FILE", help="the key (PEM)")
        ),
    ),
}
