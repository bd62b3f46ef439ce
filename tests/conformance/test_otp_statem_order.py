"""Our engine, its model and OTP's own gen_statem handle the events of any program in one order."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from statem_model import Model, programs
from statem_programs import traced

MODULE = Path(__file__).with_name("statem_order.erl")
PROGRAMS = 200
RUN = (
    '{{ok, Module, Code}} = compile:file("{module}", [binary]), '
    '{{module, _}} = code:load_binary(Module, "", Code), Module:main("{programs}"), halt().'
)
HANDLED = re.compile(r"\{(\w+),(\w+),(\w+)\}")


def term(value):
    """A part of a program as Erlang writes it."""
    match value:
        case bool():
            return str(value).lower()
        case int() | str():
            return str(value) or "none"
        case ("postpone",):
            return "postpone"
        case dict():
            return "#{" + ",".join(f"{key} => {term(one)}" for key, one in value.items()) + "}"
    return "{" + ",".join(map(term, value)) + "}"


def listed(values, write=term):
    return "[" + ",".join(map(write, values)) + "]"


def answer(one):
    return f"{{{one.kind},{term(one.state)},{listed(one.actions)}}}"


def table(answers):
    rows = (f"{state} => {listed(of, answer)}" for state, of in answers.items())
    return "#{" + ",".join(rows) + "}"


def written(program):
    fields = {
        "enters": term(program.enters),
        "answers": table(program.answers),
        "on_enter": table(program.on_enter),
        "init": listed(program.init),
        "casts": listed(program.casts),
    }
    return "#{" + ",".join(f"{key} => {value}" for key, value in fields.items()) + "}.\n"


def chosen():
    """Programs to compare; the same in every run."""
    found = []

    @settings(max_examples=PROGRAMS, database=None, derandomize=True, phases=[Phase.generate])
    @given(programs)
    def choose(program):
        found.append(program)

    choose()
    return found


def told(line):
    """A trace that Erlang has written, as ours are."""
    return [
        (state, kind, int(content) if content.isdigit() else content)
        for state, kind, content in HANDLED.findall(line)
    ]


@pytest.mark.skipif(shutil.which("erl") is None, reason="Erlang is not installed here")
def test_otp_itself_handles_the_events_of_any_program_in_our_order(tmp_path):
    several = chosen()
    file = tmp_path / "programs.terms"
    file.write_text("".join(map(written, several)), encoding="ascii")
    run = RUN.format(module=MODULE, programs=file)
    done = subprocess.run(
        ["erl", "-noshell", "-eval", run], capture_output=True, text=True, check=True, timeout=60
    )
    traces = [told(line) for line in done.stdout.splitlines()]
    assert len(traces) == len(several) > PROGRAMS / 2
    for program, otp in zip(several, traces, strict=True):
        assert otp == Model(program).run(), program
        assert otp == traced(program), program
