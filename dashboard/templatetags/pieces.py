"""Tags that put pages together from the pieces in ``templates/components``.

::

    {% piece "card" title="Latest requests" %}
      {% fill actions %}<a href="…">All requests</a>{% endfill %}
      …
    {% endpiece %}

A piece sees only what it is given, and never the page around it: ``body`` is what stands
between the tags, ``fills.actions`` a named part of it.
"""

from __future__ import annotations

from typing import cast

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

from dashboard.shell import icons

register = template.Library()

FILLS = "_fills_of_piece"
HANDED_DOWN = ("request", "csrf_token", "user")


class FillNode(template.Node):
    """A named part of a piece; rendered where the piece asks for it."""

    def __init__(self, name: str, nodelist: NodeList) -> None:
        self.name = name
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        """Lay the rendered part aside for the piece around it, and show nothing here."""
        context[FILLS][self.name] = self.nodelist.render(context)
        return mark_safe("")


class PieceNode(template.Node):
    """One use of a piece."""

    def __init__(
        self, name: FilterExpression, attrs: dict[str, FilterExpression], nodelist: NodeList
    ) -> None:
        self.name = name
        self.attrs = attrs
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        """Render the body, then the piece around it."""
        attrs = {key: value.resolve(context) for key, value in self.attrs.items()}
        fills: dict[str, str] = {}
        with context.push(**{FILLS: fills}):
            body = self.nodelist.render(context)
        inner = context.new({key: context[key] for key in HANDED_DOWN if key in context})
        inner.update({**attrs, "body": mark_safe(body.strip()), "fills": fills})  # noqa: S308
        engine = cast("template.Template", context.template).engine
        return engine.get_template(f"components/{self.name.resolve(context)}.html").render(inner)


@register.tag
def piece(parser: Parser, token: Token) -> PieceNode:
    """Use a piece: ``{% piece "name" key=value %}body{% endpiece %}``."""
    _, name, *rest = token.split_contents()
    attrs = token_kwargs(rest, parser)
    if rest:
        raise template.TemplateSyntaxError(f"piece takes key=value pairs, not {rest[0]!r}")
    nodelist = parser.parse(("endpiece",))
    parser.delete_first_token()
    return PieceNode(parser.compile_filter(name), attrs, nodelist)


@register.tag
def fill(parser: Parser, token: Token) -> FillNode:
    """Name a part of a piece: ``{% fill actions %}…{% endfill %}``."""
    _, name = token.split_contents()
    nodelist = parser.parse(("endfill",))
    parser.delete_first_token()
    return FillNode(name, nodelist)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon by its name."""
    return icons.draw(name)
