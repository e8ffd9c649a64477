"""Names in sentences of templates: Django's ``{% blocktranslate %}``, with what is filled into it isolated (common/sentences.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django import template
from django.template.base import FilterExpression, Parser, Token
from django.template.context import Context
from django.templatetags.i18n import BlockTranslateNode, do_block_translate

from common import sentences

register = template.Library()


@dataclass(frozen=True, slots=True)
class _FilledIn:
    """What is given to a sentence ``with`` a name, as it stands in it."""

    given: FilterExpression

    def resolve(self, context: Context) -> Any:
        return sentences.filled_in(self.given.resolve(context))


@register.tag("blocktranslate")
def blocktranslate(parser: Parser, token: Token) -> BlockTranslateNode:
    """``{% blocktranslate with name=vm.name %}Delete {{ name }}?{% endblocktranslate %}``: Django's tag, which isolates `name`."""
    node = do_block_translate(parser, token)
    node.extra_context = {
        name: cast("FilterExpression", _FilledIn(given)) for name, given in node.extra_context.items()
    }
    return node


@register.filter
def isolated(text: object) -> str:
    """A name in a line of other text, such as a page's title or an attribute; where it stands alone on a page, it belongs into ``<bdi>``."""
    return sentences.isolated(str(text))
