"""The first steps, in the system's Python with nothing installed: packages, virtual environment, npm packages."""

from __future__ import annotations

import os

from deploy.local import environment, packages
from deploy.local.config import LocalConfig
from deploy.local.state import state_make
from deploy.local.steps import Console, Step, run_steps


def prepare(config: LocalConfig, *, with_tests: bool, total: int, console: Console) -> None:
    """Do the steps that need no virtual environment. Raises StepError."""
    state_make(config)
    needed = packages.RUN
    if with_tests or config.driver == "libvirt":
        needed += packages.HYPERVISOR
    if with_tests:
        needed += packages.TEST
    steps = [
        Step(
            "system packages",
            lambda: not packages.missing(needed),
            lambda: packages.install(packages.missing(needed), log=config.log_dir / "apt.log", console=console),
        ),
        Step(
            "Python environment",
            lambda: environment.venv_is_ready(config, with_tests=with_tests),
            lambda: environment.venv_make(config, with_tests=with_tests, console=console),
        ),
        Step(
            "npm packages",
            lambda: environment.pages_are_ready(config, with_tests=with_tests),
            lambda: environment.pages_make(config, console=console),
        ),
    ]
    run_steps(steps, console=console, first=1, total=total)


def go_on(config: LocalConfig, arguments: list[str]) -> None:
    """Replace this process by the same program in the virtual environment. Does not return."""
    os.chdir(config.root)
    os.execv(config.python, [config.python, "-m", "deploy.local", "--prepared", *arguments])
