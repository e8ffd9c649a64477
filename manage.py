#!/usr/bin/env python
"""Django's command line for Eve."""

import os
import sys


def main() -> None:
    """Runs the command named by the arguments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eve_site.settings")
    from eve_site.activation import passed_sockets  # noqa: PLC0415

    passed_sockets()
    from django.core.management import execute_from_command_line  # noqa: PLC0415  (settings come first)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
