"""Management commands in one process, one after the other, since starting Django takes longer than most of them.

Reads one command a line from standard input, as JSON: ``["migrate", "--no-input"]``. Answers each by one line: ``{"command", "output"}``,
or ``{"command", "error"}`` where it failed. Mistakes in the settings come first, as those of ``check``, and end the process.
``deploy.local.management`` asks.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from contextlib import redirect_stdout


def main() -> int:
    """Run each command that comes, until there are no more."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eve_site.settings")
    import django  # noqa: PLC0415 - settings come first

    django.setup()
    from eve_site.checks import mistakes  # noqa: PLC0415

    if found := mistakes():
        _answer({"command": "check", "error": " ".join(found)})
        return 1
    for line in sys.stdin:
        _answer(_run(json.loads(line)))
    return 0


def _run(words: list[str]) -> dict[str, str]:
    from django.core.management import call_command  # noqa: PLC0415
    from django.core.management.base import CommandError  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    output = io.StringIO()
    try:
        with redirect_stdout(output):
            call_command(*words, stdout=output, stderr=output)
    except CommandError as error:
        return {"command": words[0], "error": " ".join(str(error).split())}
    except Exception as error:
        traceback.print_exc()
        return {"command": words[0], "error": f"{type(error).__name__}: {error}"}
    finally:
        connections.close_all()
    return {"command": words[0], "output": output.getvalue()}


def _answer(answer: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
