"""A peer that says what a recorded agent said (see recorded/README.md)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from pathlib import Path
from typing import Any

from eve_agent.transport.websocket import FrameReader
from eve_agent.wire.version import CONTRACT_VERSION

from tests.hypervisors.peers import Peer, Script

FOLDER = Path(__file__).parent / "recorded"
VERSIONS = [CONTRACT_VERSION - 1, CONTRACT_VERSION + 1]
WEBSOCKETS = ("console", "refused_console", "events")
Record = dict[str, Any]


def recorded(version: int) -> Record:
    """What was recorded of an agent of that version."""
    found: Record = json.loads((FOLDER / f"contract-{version}.json").read_text())
    return found


def said_by_agent(turns: list[list[str]]) -> list[bytes]:
    """The agent's turns of a websocket, the first without its handshake."""
    said = [text.encode("latin-1") for who, text in turns if who == "agent"]
    return [said[0].partition(b"\r\n\r\n")[2], *said[1:]]


def replaying(record: Record) -> Script:
    """Answers as the recorded agent did, byte by byte; where it hears something else than that did, it hangs up."""
    answers = {each["request"]: each["answer"].encode("latin-1") for each in record["answers"]}
    websockets = {_path(record[name][0][1]): record[name] for name in WEBSOCKETS}

    def serve(sock: ssl.SSLSocket, peer: Peer) -> None:
        while request := peer.read_request(sock):
            line = request.split(b"\r\n", 1)[0].decode()
            if b"upgrade: websocket" in request.lower():
                _speak(sock, request, websockets[_path(line)])
                return
            sock.sendall(answers[line.removesuffix(" HTTP/1.1")])

    return serve


def _path(line: str) -> str:
    """Of a request's first line, without the query: Eve's may name more than it did when this was recorded."""
    return line.split(" ")[1].partition("?")[0]


def _speak(sock: ssl.SSLSocket, request: bytes, turns: list[list[str]]) -> None:
    reader = FrameReader()
    heard = b""
    sock.sendall(_accepting(turns[1][1].encode("latin-1"), request))
    for who, text in turns[2:]:
        if who == "agent":
            sock.sendall(text.encode("latin-1"))
            continue
        while len(heard) < len(text):
            heard += b"".join(payload for _opcode, payload in reader.feed(sock.recv(65536)))
        if not heard.startswith(text.encode("latin-1")):
            return
        heard = heard[len(text) :]
    while sock.recv(65536):
        pass


def _accepting(answer: bytes, request: bytes) -> bytes:
    """The recorded answer to a handshake, for the key of this one (RFC 6455, 4.2.2)."""
    key = re.search(rb"(?i)\r\nsec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return re.sub(rb"(\r\nSec-WebSocket-Accept: )\S+", rb"\g<1>" + accept, answer)
