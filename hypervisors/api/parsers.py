"""Bodies of what hosts send, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from eve_agent.wire import codec
from eve_agent.wire.certs import EnrolmentRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from common.sentences import gettext as _
from hypervisors.errors import EnrolmentRefused

MAX_ENROLMENT_BYTES = 64 * 1024


class BodyTooLong(EnrolmentRefused):
    """Longer than any enrolment."""

    status = 413
    code = "body_too_large"


class EnrolmentParser(BaseParser):
    """JSON to ``{"enrolment": EnrolmentRequest}``, by the wire contract's own decoder."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, EnrolmentRequest]:
        """Raises ParseError, BodyTooLong."""
        body = stream.read(MAX_ENROLMENT_BYTES + 1)
        if len(body) > MAX_ENROLMENT_BYTES:
            raise BodyTooLong(_("An enrolment has at most %(most)d KiB.") % {"most": MAX_ENROLMENT_BYTES // 1024})
        try:
            return {"enrolment": codec.decode(EnrolmentRequest, body)}
        except (codec.DecodeError, UnicodeDecodeError) as error:
            raise ParseError(_("The enrolment is not understood: %(why)s.") % {"why": error}) from error
