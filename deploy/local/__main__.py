"""``python -m deploy.local run|test|setup|manage``: what the Makefile calls.

Needs nothing but Python's standard library to begin. ``.venv/bin/python -m deploy.local manage COMMAND…`` is ``manage.py`` for
the Eve of ``make run``.
"""

from __future__ import annotations

import argparse
import os
import sys

from deploy.local.bootstrap import go_on, prepare
from deploy.local.config import ConfigError, LocalConfig
from deploy.local.steps import Console, StepError

PREPARING_STEPS = 3
RUN_STEPS = {"libvirt": 9, "fake": 7}


def main() -> int:
    """Prepare, go on in the virtual environment, run or test. Returns the exit code."""
    arguments = _arguments()
    console = Console()
    try:
        config = LocalConfig.from_environment(os.environ)
        if arguments.command == "manage":
            from deploy.local.run import manage  # noqa: PLC0415 - imports what step 2 installs

            manage(config, arguments.words)
        if not arguments.prepared:
            with_tests = arguments.command != "run"
            prepare(
                config,
                with_tests=with_tests,
                total=PREPARING_STEPS if with_tests else RUN_STEPS[config.driver],
                console=console,
            )
            if arguments.command == "setup":
                return 0
            sys.stdout.flush()
            go_on(config, [arguments.command])
        if arguments.command == "test":
            from deploy.local.checks import test  # noqa: PLC0415

            return test(config, console=console)
        from deploy.local.run import run  # noqa: PLC0415

        return run(config, console=console, first=PREPARING_STEPS + 1)
    except ConfigError as error:
        console.line(f"Eve cannot start: {error}")
    except StepError as error:
        console.line(f"Eve cannot start: {error.sentence()}")
    except KeyboardInterrupt:
        console.line("Stopped.")
        return 130
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=("run", "test", "setup", "manage"))
    parser.add_argument("words", nargs=argparse.REMAINDER, help="for manage: a command of manage.py and its arguments")
    parser.add_argument("--prepared", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
