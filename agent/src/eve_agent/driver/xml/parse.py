"""One hardened parser, and the few readings that every kind of document needs."""

from __future__ import annotations

from lxml import etree

_BYTES_OF_UNIT = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 2**10,
    "KiB": 2**10,
    "MB": 10**6,
    "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9,
    "G": 2**30,
    "GiB": 2**30,
    "TB": 10**12,
    "T": 2**40,
    "TiB": 2**40,
}


class MalformedXml(ValueError):
    """The text is no XML of the expected kind; the message says where."""


def parse(text: str, *, root: str) -> etree._Element:
    """The root element of `text`, which has to be named `root`.

    No entities are resolved, no DTD is loaded, no network is used, and a document type is refused outright:
    libvirt writes none, and a domain's metadata is a guest owner's text.

    Raises:
        MalformedXml: not well-formed, with a document type, too deep or too large for libxml2's limits, or another root.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise MalformedXml(f"no XML: {error}") from error
    if _has_document_type(element):
        raise MalformedXml("a document type is not allowed")
    if element.tag != root:
        raise MalformedXml(f"expected <{root}>, got <{element.tag}>")
    return element


def _has_document_type(element: etree._Element) -> bool:
    docinfo = element.getroottree().docinfo
    return docinfo is not None and docinfo.internalDTD is not None


def text_at(element: etree._Element, path: str) -> str:
    """The text of the first element at `path`, without white space around it; empty where there is none."""
    return (element.findtext(path) or "").strip()


def attribute_at(element: etree._Element, path: str, name: str) -> str:
    """The attribute `name` of the first element at `path`; empty where there is none."""
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def whole(text: str | None, default: int = 0) -> int:
    """`text` as a whole number; `default` where it is none."""
    try:
        return int(text or "")
    except ValueError:
        return default


def bytes_at(element: etree._Element, path: str) -> int:
    """The size at `path` in bytes, by its ``unit`` (KiB where it says none, as libvirt means it); 0 where there is none."""
    found = element.find(path)
    if found is None:
        return 0
    return whole((found.text or "").strip()) * _BYTES_OF_UNIT.get(found.get("unit", "KiB"), 0)
