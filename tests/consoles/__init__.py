"""Tests of consoles/."""
