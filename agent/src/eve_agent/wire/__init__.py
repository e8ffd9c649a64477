"""The contract between Eve and its agents: standard library only, imported by both sides.

=================  ==========================================================
:mod:`.version`    the contract's number and who may talk to whom
:mod:`.codec`      dataclass ↔ JSON, strict about types, lenient about additions
:mod:`.host`       what a host is: :class:`HostFacts`
:mod:`.domain`     what a virtual machine is: :class:`Domain`, :class:`StateChange`
:mod:`.console`    console sessions: :class:`ConsoleRequest`, :class:`ConsoleStatus`
:mod:`.close`      websocket close codes, from the agent to the browser
:mod:`.events`     what the agent tells by itself: :class:`Event`
:mod:`.certs`      enrolment and renewal of certificates
:mod:`.errors`     :class:`ErrorCode` and :class:`Problem`
:mod:`.paths`      every path, written once
=================  ==========================================================

Changes are additive: a new field has a default, a new enumeration member is decoded as
``unknown`` by an older peer, and each field added after the first version says so.
"""
