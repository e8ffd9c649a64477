"""Several management commands in one process, since starting Django takes longer than most of them.

Reads ``[["migrate", "--no-input"], …]`` as JSON from standard input and writes one JSON line a command: ``{"command", "output"}``, or
``{"command", "error"}`` for the one that failed and was the last. Mistakes in the settings come first, as those of ``check``.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback


def main() -> int:
    """Run the commands in order, stop at the first that fails."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eve_site.settings")
    import django  # noqa: PLC0415 - settings come first
    from django.core.management import call_command  # noqa: PLC0415
    from django.core.management.base import CommandError  # noqa: PLC0415

    django.setup()
    from eve_site.checks import mistakes  # noqa: PLC0415

    if found := mistakes():
        return _answer({"command": "check", "error": " ".join(found)})
    for words in json.load(sys.stdin):
        output = io.StringIO()
        try:
            call_command(*words, stdout=output, stderr=output)
        except CommandError as error:
            return _answer({"command": words[0], "error": " ".join(str(error).split())})
        except Exception as error:
            traceback.print_exc()
            return _answer({"command": words[0], "error": f"{type(error).__name__}: {error}"})
        _answer({"command": words[0], "output": output.getvalue()})
    return 0


def _answer(answer: dict[str, str]) -> int:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
