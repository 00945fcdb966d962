"""Pieces put pages together: they see what they are given, and nothing of the page around."""

from __future__ import annotations

import pytest
from django.template import Context, Engine, TemplateSyntaxError

ENGINE = Engine(
    libraries={"pieces": "dashboard.templatetags.pieces"},
    loaders=[
        (
            "django.template.loaders.locmem.Loader",
            {
                "components/box.html": "[{{ title }}|{{ body }}|{{ fills.actions }}|{{ secret }}]",
                "components/who.html": "{{ user }}{{ request }}{{ other }}",
            },
        )
    ],
)


def render(text: str, **said: object) -> str:
    return ENGINE.from_string("{% load pieces %}" + text).render(Context(said))


def test_body_is_what_stands_between_without_the_space_around() -> None:
    assert render('{% piece "box" title="T" %}  <b>in</b>\n {% endpiece %}') == "[T|<b>in</b>||]"


def test_piece_is_given_values_of_the_page_and_sees_no_others() -> None:
    shown = render(
        '{% piece "box" title=name %}{{ secret }}{% endpiece %}', name="Ada", secret="s3"
    )

    assert shown == "[Ada|s3||]"


def test_values_are_escaped_once_whoever_wrote_them() -> None:
    shown = render('{% piece "box" title=name %}{{ name }}{% endpiece %}', name="<i>")

    assert shown == "[&lt;i&gt;|&lt;i&gt;||]"


def test_named_part_stands_where_the_piece_wants_it_and_not_in_the_body() -> None:
    shown = render(
        '{% piece "box" %}a{% fill actions %}<a>{{ x }}</a>{% endfill %}b{% endpiece %}', x="&"
    )

    assert shown == "[|ab|<a>&amp;</a>|]"


def test_piece_inside_a_piece_keeps_its_parts_to_itself() -> None:
    inner = '{% piece "box" title="in" %}{% fill actions %}I{% endfill %}{% endpiece %}'
    part = "{% fill actions %}O{% endfill %}"
    outer = '{% piece "box" title="out" %}' + inner + part + "{% endpiece %}"

    assert render(outer) == "[out|[in||I|]|O|]"


def test_piece_is_handed_down_who_asks_and_what_was_asked() -> None:
    shown = render('{% piece "who" %}{% endpiece %}', user="ada", request="/x", other="no")

    assert shown == "ada/x"


def test_piece_may_be_named_by_a_value() -> None:
    assert render("{% piece name title=1 %}{% endpiece %}", name="box") == "[1|||]"


@pytest.mark.parametrize(
    "text",
    [
        '{% piece "box" title %}{% endpiece %}',
        '{% piece "box" %}',
        '{% piece "box" %}{% fill actions %}{% endpiece %}',
    ],
)
def test_piece_that_is_written_wrongly_is_no_page(text: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        render(text)


def test_icon_is_drawn_by_its_name() -> None:
    assert "<svg" in render('{% icon "check" %}')
