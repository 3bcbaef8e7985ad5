"""Completion of commands in the shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("resizekit")


def run(*argv, **environment):
    command = [SCRIPT, *argv]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | environment, check=True
    ).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_program(shell):
    script = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_RESIZEKIT_COMPLETE" in script


def test_completion_lists_the_commands_with_a_prefix():
    words = {"_RESIZEKIT_COMPLETE": "complete_bash", "COMP_WORDS": "resizekit r", "COMP_CWORD": "1"}
    assert sorted(run(**words).split()) == ["report", "roundtrip"]
