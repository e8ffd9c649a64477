"""The contract between Eve and its agents: standard library only, imported by both sides.

=================  ==========================================================
:mod:`.version`    the contract's number and who may talk to whom
:mod:`.codec`      dataclass ↔ JSON, strict about types, lenient about additions
:mod:`.host`       what a host is: :class:`HostFacts`
:mod:`.domain`     what a virtual machine is: :class:`Domain`, :class:`StateChange`
:mod:`.spec`       what Eve wants a domain to be: :class:`DomainSpec`, and changes of it
:mod:`.storage`    pools, images, disks, seeds
:mod:`.snapshots`  snapshots of a domain
:mod:`.guest`      the inside of a guest: addresses, password, freeze
:mod:`.stats`      counters for rates
:mod:`.jobs`       what takes longer than a request
:mod:`.checks`     what names, sizes and texts may be
:mod:`.addresses`  which addresses are of the open internet
:mod:`.console`    console sessions: :class:`ConsoleRequest`, :class:`ConsoleStatus`
:mod:`.keyboard`   keyboards' layouts
:mod:`.typing`     text that the host types at a guest's keyboard
:mod:`.close`      websocket close codes, from the agent to the browser
:mod:`.events`     what the agent tells by itself: :class:`Event`
:mod:`.certs`      enrolment and renewal of certificates
:mod:`.errors`     :class:`ErrorCode` and :class:`Problem`
:mod:`.paths`      every path, written once
=================  ==========================================================

Changes are additive: a new field has a default, a new enumeration member is decoded as
``unknown`` by an older peer, and each field added after the first version says so.
"""
